# Messages go to stderr; stdout is for results.
# shellcheck shell=bash

say() {
  printf '%s\n' "$*" >&2
}

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Words for the person at the terminal go to stderr: stdout belongs to results.
# shellcheck shell=bash

say() {
  printf '%s\n' "$*" >&2
}

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

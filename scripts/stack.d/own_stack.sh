# For scripts that run a program against a stack and leave nothing behind. Sets `programs`, the folder of the built programs.
# shellcheck shell=bash

source "$here/stack.d/say.sh"
source "$here/stack.d/lock.sh"
source "$here/stack.d/session.sh"

cd "$repo"
programs=$(realpath -m -- "${CARGO_TARGET_DIR:-target}")/release

# begin <name> [nginx]: takes the lock of `make <name>` and installs what is missing
begin() {
  lock_or_fail "$1"
  "$here/stack" install "${@:2}"
}

# build <arguments of cargo build...>
build() {
  run_in_session "${CARGO:-cargo}" build --release --locked "$@" >&2
}

# start_stack: a new stack, removed when this shell ends; exports the addresses of its stores
start_stack() {
  trap remove_stack EXIT
  "$here/stack" down # the rest of a run that was killed
  run_in_session "$here/stack" up
  export_addresses
}

export_addresses() {
  # shellcheck source=/dev/null
  source <("$here/stack" env)
}

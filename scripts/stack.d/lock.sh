# One command at a time per stack.
# shellcheck shell=bash

lock_seconds=600 # longer than the longest install

# The lock lies in the folder that `down` removes: whoever waited for a removed one tries again with the new one.
lock_stack() {
  while true; do
    mkdir -p "$STACK_DIR"
    exec {lock_fd}>"$STACK_DIR/lock"
    flock -w "$lock_seconds" "$lock_fd" || fail "another command has held $STACK_DIR/lock for $lock_seconds s"
    [[ /proc/self/fd/$lock_fd -ef $STACK_DIR/lock ]] && return
    exec {lock_fd}>&-
  done
}

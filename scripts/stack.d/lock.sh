# Locks: one command at a time per stack, and one test run at a time per clone.
# shellcheck shell=bash

readonly lock_seconds=600 # longer than the longest install

# lock_folder <folder>: held until this shell ends
# The lock file is in the folder, which the holder may remove. A waiter that gets a removed lock tries again.
lock_folder() {
  local lock
  while true; do
    mkdir -p "$1"
    exec {lock}>"$1/lock"
    flock -w "$lock_seconds" "$lock" || fail "another command has held $1/lock for $lock_seconds s"
    [[ ! /proc/self/fd/$lock -ef $1/lock ]] || return 0
    exec {lock}>&-
  done
}

# lock_or_fail <name>: fails at once if another command holds the lock
lock_or_fail() {
  local lock
  mkdir -p "$repo/.local"
  exec {lock}>"$repo/.local/$1.lock"
  flock -n "$lock" || fail "another \`make $1\` is running in this clone"
}

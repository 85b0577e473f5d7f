# A long command in the foreground that leaves nothing behind, however it ends.
# shellcheck shell=bash

# run_in_session <command...>: its exit code
# The command has a process group of its own. When this shell is told to end, the whole group is: processes that the
# command started would otherwise outlive it.
run_in_session() {
  local leader code=0
  setsid "$@" </dev/null &
  leader=$!
  trap 'end_group "$leader"; exit 130' INT TERM HUP
  wait "$leader" || code=$?
  end_group "$leader"
  trap - INT TERM HUP
  return "$code"
}

# end_group <leader>: asks, and after 30 s insists
end_group() {
  local deadline=$((SECONDS + 30))
  trap '' INT TERM HUP
  kill -s TERM -- "-$1" 2>/dev/null || return 0
  while group_lives "$1"; do
    if ((SECONDS >= deadline)); then
      kill -s KILL -- "-$1" 2>/dev/null || true
      return 0
    fi
    sleep 0.05
  done
}

# A zombie does not count: a container's first process may never reap it.
group_lives() {
  cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -q "^[^Z] [0-9]* $1 "
}

# For `trap … EXIT`. No further Ctrl-C interrupts it: every step of it is bounded.
remove_stack() {
  trap '' INT TERM HUP
  "$here/stack" down
}

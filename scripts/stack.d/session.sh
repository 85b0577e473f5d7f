# Runs long commands in the foreground so that no process survives them.
# shellcheck shell=bash

# run_in_session <command...>: its exit code
# The command has its own process group. A signal to this shell ends the whole group, including processes that the command
# started.
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

# end_group <leader>: SIGTERM, and SIGKILL after 30 s
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

# Zombies do not count: the first process of a container may never reap them.
group_lives() {
  cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -q "^[^Z] [0-9]* $1 "
}

# For `trap … EXIT`. Ignores Ctrl-C; every step is bounded in time.
remove_stack() {
  trap '' INT TERM HUP
  "$here/stack" down
}

# Programs that outlive this shell, tracked by pid files.
# shellcheck shell=bash

# launch <pid file> <log file> <command...>
# In a session of its own, so that neither Ctrl-C nor the end of `make` stops it. exec, setsid, setpriv and env keep the pid.
launch() {
  local pid_file=$1 log_file=$2
  shift 2
  (
    close_inherited_files
    exec setsid "$@" </dev/null >>"$log_file" 2>&1
  ) &
  echo $! >"$pid_file"
}

# Otherwise the server would hold the locks and pipes of this shell for as long as it runs.
close_inherited_files() {
  local file
  for file in /proc/self/fd/*; do
    file=${file##*/}
    ((file <= 2)) || exec {file}>&-
  done
}

# is_running <pid file> <argument>
# The pid may have been reused by another program. Ours has <argument> in its command line; a zombie has no command line.
is_running() {
  local pid command_line
  pid=$(cat "$1" 2>/dev/null) && [[ $pid ]] || return 1
  command_line=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
  [[ " $command_line " == *" $2 "* ]]
}

# gone_within <seconds> <pid file> <argument>
gone_within() {
  local deadline=$((SECONDS + $1))
  while is_running "$2" "$3"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.05
  done
}

# terminate <pid file> <argument> <signal> <seconds>
# Sends <signal>, and SIGKILL after <seconds>. SIGCONT, because a paused process does not handle signals.
terminate() {
  local pid_file=$1 argument=$2 signal=$3 seconds=$4 pid
  if is_running "$pid_file" "$argument"; then
    pid=$(cat "$pid_file")
    kill -s "$signal" "$pid" || true
    kill -s CONT "$pid" || true
    if ! gone_within "$seconds" "$pid_file" "$argument"; then
      say "$argument still runs $seconds s after SIG$signal; sending SIGKILL"
      kill -s KILL "$pid" || true
      gone_within 10 "$pid_file" "$argument" || fail "process $pid ($argument) does not exit"
    fi
  fi
  rm -f "$pid_file"
}

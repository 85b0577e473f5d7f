# Programs that outlive this shell, known by their pid files.
# shellcheck shell=bash

# launch <pid file> <log file> <command...>
# In a session of its own, so that neither Ctrl-C nor the end of `make` reaches it. exec, setsid, setpriv and env keep
# the pid: it is the program's own.
launch() {
  local pid_file=$1 log_file=$2
  shift 2
  (
    close_inherited_files
    exec setsid "$@" </dev/null >>"$log_file" 2>&1
  ) &
  echo $! >"$pid_file"
}

# A lock or a pipe of this shell is none of a server's business: it would hold it for as long as it lives.
close_inherited_files() {
  local file
  for file in /proc/self/fd/*; do
    file=${file##*/}
    ((file <= 2)) || exec {file}>&-
  done
}

# is_running <pid file> <argument>
# A pid alone proves nothing: it may have been given to another program since. Ours carries <argument> in its command
# line, be it as its own name; a zombie has no command line.
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
# Asks with <signal>, insists after <seconds>. CONT, because a paused program hears nothing.
terminate() {
  local pid_file=$1 argument=$2 signal=$3 seconds=$4 pid
  if is_running "$pid_file" "$argument"; then
    pid=$(cat "$pid_file")
    kill -s "$signal" "$pid" || true
    kill -s CONT "$pid" || true
    if ! gone_within "$seconds" "$pid_file" "$argument"; then
      say "$argument: still there $seconds s after SIG$signal, killing it"
      kill -s KILL "$pid" || true
      gone_within 10 "$pid_file" "$argument" || fail "process $pid ($argument) does not end"
    fi
  fi
  rm -f "$pid_file"
}

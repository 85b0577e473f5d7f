# The commands of scripts/stack. Each store defines these functions, prefixed with its name:
#   _prepare   creates data and configuration if they do not exist
#   _launch    starts the server and writes its pid file
#   _marker    the argument that identifies its process
#   _answers   whether it answers a request
#   _stopped   cleans up after a killed server
#   _remove    removes its data
# shellcheck shell=bash

readonly stores=(redis kafka postgres)
readonly -A answer_seconds=([redis]=60 [kafka]=120 [kafka2]=120 [kafka3]=120 [postgres]=60)
# On SIGTERM PostgreSQL waits for all clients to disconnect.
readonly -A stop_signal=([redis]=TERM [kafka]=TERM [kafka2]=TERM [kafka3]=TERM [postgres]=INT)
readonly stop_seconds=30

stack_up() {
  lock_folder "$STACK_DIR"
  install_missing
  choose_ports
  tls_prepare
  for_each_store start_store
  stack_addresses >"$STACK_DIR/env.new"
  mv "$STACK_DIR/env.new" "$STACK_DIR/env"
  stack_status >&2
}

# Removes the files that `up` created, and the folder if it is empty then.
stack_down() {
  [[ -d $STACK_DIR ]] || return 0
  lock_folder "$STACK_DIR"
  local store
  for store in "${more_brokers[@]}"; do
    stop_store "$store"
    remove_store "$store"
  done
  for_each_store stop_store
  for_each_store remove_store
  tls_remove
  rm -f "$STACK_DIR"/{ports,env}{,.new} "$STACK_DIR/ports.all" "$STACK_DIR/lock"
  rmdir "$STACK_DIR" 2>/dev/null || say "kept $STACK_DIR: it contains other files"
}

stack_start() {
  lock_folder "$STACK_DIR"
  install_missing
  choose_ports
  tls_prepare
  start_store "$1"
}

stack_stop() {
  [[ -d $STACK_DIR ]] || return 0
  lock_folder "$STACK_DIR"
  stop_store "$1"
}

# The backup is the folder of a server after an immediate shutdown: it recovers all committed transactions.
stack_save() {
  lock_folder "$STACK_DIR"
  choose_ports
  stop_postgres_at_once
  postgres_save
  start_store postgres
}

stack_revert() {
  lock_folder "$STACK_DIR"
  choose_ports
  stop_postgres_at_once
  postgres_revert
  start_store postgres
}

# Creates the tablespace once per stack.
stack_small() {
  lock_folder "$STACK_DIR"
  choose_ports
  ! mountpoint -q "$(postgres_disk)" || return 0
  stop_postgres_at_once
  local code=0
  # In the background, because bash ignores `set -e` in a command before `||`.
  postgres_make_small &
  wait $! || code=$?
  start_store postgres
  return "$code"
}

stop_postgres_at_once() (
  terminate "$STACK_DIR/postgres.pid" "$(postgres_marker)" QUIT "$stop_seconds"
  postgres_stopped
)

stack_env() {
  [[ -e $STACK_DIR/env ]] || fail "there is no stack in $STACK_DIR; scripts/stack up starts one"
  cat "$STACK_DIR/env"
}

stack_addresses() {
  printf 'export %s=%q\n' \
    REDIS_URL "redis://$STACK_ADDRESS:$REDIS_PORT" \
    KAFKA_BROKERS "$STACK_ADDRESS:$KAFKA_PORT" \
    KAFKA_CUT_BROKERS "127.0.0.1:$KAFKA_CUT_PORT" \
    KAFKA_CUT_TARGET "127.0.0.1:$KAFKA_CUT_TARGET_PORT" \
    DATABASE_URL "$(postgres_url)" \
    SECURE_REDIS_URL "rediss://$tls_user:$(tls_password)@$STACK_ADDRESS:$REDIS_TLS_PORT" \
    SECURE_KAFKA_BROKERS "$STACK_ADDRESS:$KAFKA_TLS_PORT" \
    SECURE_DATABASE_URL "postgres://$tls_user:$(tls_password)@$STACK_ADDRESS:$POSTGRES_PORT/fluxgate?sslmode=verify-full" \
    SECURE_CA_FILE "$tls_folder/authority.pem" \
    SECURE_USERNAME "$tls_user" \
    SECURE_PASSWORD "$(tls_password)" \
    STACK_DIR "$STACK_DIR"
}

stack_status() {
  local store port state running=0 answering=0
  if [[ ! -e $STACK_DIR/ports ]]; then
    say "there is no stack in $STACK_DIR"
    return 2
  fi
  read_ports
  for store in "${stores[@]}"; do
    port=${store^^}_PORT
    state=stopped
    if store_runs "$store"; then
      running=$((running + 1))
      state="runs as pid $(<"$STACK_DIR/$store.pid"), but does not answer"
      if "$store"_answers; then
        answering=$((answering + 1))
        state="runs as pid $(<"$STACK_DIR/$store.pid")"
      fi
    fi
    printf '%-9s %s:%s  %s\n' "$store" "$STACK_ADDRESS" "${!port}" "$state"
  done
  ((running > 0)) || return 2
  ((answering == ${#stores[@]}))
}

# for_each_store <function>: in parallel
for_each_store() {
  local store running=() failed=()
  for store in "${stores[@]}"; do
    "$1" "$store" &
    running+=("$!")
  done
  for store in "${!running[@]}"; do
    wait "${running[$store]}" || failed+=("${stores[$store]}")
  done
  ((${#failed[@]} == 0)) || fail "stack in $STACK_DIR: ${failed[*]} failed"
}

store_runs() {
  is_running "$STACK_DIR/$1.pid" "$("$1_marker")"
}

# Resumes a store that was paused.
start_store() (
  store=$1
  if store_runs "$store"; then
    kill -s CONT "$(<"$STACK_DIR/$store.pid")"
  else
    # In the background, because bash ignores `set -e` in a command before `||`.
    "$store"_prepare >>"$STACK_DIR/$store.log" 2>&1 &
    wait $! || store_failed "$store" "cannot be prepared"
    "$store"_launch
  fi
  await_answer "$store"
)

await_answer() {
  local store=$1 pid deadline=$((SECONDS + answer_seconds[$1]))
  pid=$(<"$STACK_DIR/$store.pid")
  until "$store"_answers; do
    [[ -e /proc/$pid ]] || store_failed "$store" "exited during startup"
    ((SECONDS < deadline)) || store_failed "$store" "did not answer within ${answer_seconds[$store]} s"
    sleep 0.1
  done
}

store_failed() {
  say "$1 $2; last lines of its log:"
  # The Java VM of Kafka writes to stdout.
  tail -q -n 30 "$STACK_DIR/$1.log" "$STACK_DIR/$1/stdout" >&2 2>/dev/null || true
  exit 1
}

stop_store() (
  terminate "$STACK_DIR/$1.pid" "$("$1_marker")" "${stop_signal[$1]}" "$stop_seconds"
  "$1"_stopped
)

remove_store() (
  "$1"_remove
  rm -f "$STACK_DIR/$1.log"
)

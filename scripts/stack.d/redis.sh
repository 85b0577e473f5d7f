# Redis as in production: append-only file synced every second, no eviction, no snapshots, expired keys freed in the
# background.
# shellcheck shell=bash

redis_marker() {
  echo "$STACK_DIR/redis/redis.conf"
}

redis_prepare() {
  local folder=$STACK_DIR/redis
  mkdir -p "$folder"
  ln -sfn "$(redis_program)" "$folder/redis-server"
  cat >"$folder/redis.conf" <<CONF
bind $STACK_ADDRESS
# without a password, protected mode would reject clients of other machines
protected-mode no
port $REDIS_PORT
tls-port $REDIS_TLS_PORT
tls-cert-file $tls_folder/server.crt
tls-key-file $tls_folder/server.key
tls-auth-clients no
# in addition to the default user, which has no password
user $tls_user on >$(tls_password) ~* &* +@all
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
# XDEL scans a node of the stream: small nodes keep acknowledging outbox entries cheap
stream-node-max-entries 10
# a small hash is a list that is searched from its beginning: with the default of 128, also the orders of a sale of 100 units
hash-max-listpack-entries 8
# the records of a sale expire as one key: freeing a million of them at once would block Redis for a second
lazyfree-lazy-expire yes
# one per test that runs an outbox relay, which publishes all entries of its database
databases 256
# is_running looks for the path of this file
proc-title-template "{title} {config-file}"
CONF
}

# Redis stores its data in the working directory. If that has a file clock_shift, its clock differs by that many seconds.
redis_launch() (
  cd "$STACK_DIR/redis"
  local shifted=()
  if [[ -e clock_shift ]]; then
    cc -shared -fPIC -O2 -o clock_shift.so "$here/stack.d/clock_shift.c"
    shifted=(env "LD_PRELOAD=$PWD/clock_shift.so" "CLOCK_SHIFT_FILE=$PWD/clock_shift")
  fi
  launch "$STACK_DIR/redis.pid" "$STACK_DIR/redis.log" "${shifted[@]}" ./redis-server "$(redis_marker)"
)

redis_answers() {
  [[ $(timeout 2 redis-cli -h "$STACK_ADDRESS" -p "$REDIS_PORT" ping 2>/dev/null) == PONG ]]
}

redis_stopped() { :; }

redis_remove() {
  rm -rf "$STACK_DIR/redis"
}

# Redis as in production: every write in the append-only file within a second, nothing evicted, no snapshots, what
# expires freed in the background.
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
# it has no password, so it would answer nobody from elsewhere
protected-mode no
port $REDIS_PORT
tls-port $REDIS_TLS_PORT
tls-cert-file $tls_folder/server.crt
tls-key-file $tls_folder/server.key
tls-auth-clients no
# beside the default user, who needs no password
user $tls_user on >$(tls_password) ~* &* +@all
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
# an entry is taken out of the outbox by walking through its node: short nodes, short walks
stream-node-max-entries 10
# a closed sale's records expire as one key: freeing a million of them at once would stop all else for a second
lazyfree-lazy-expire yes
# one per test that runs a sweeper: it publishes whatever waits in its database
databases 64
# the path of this file, by which the process is known
proc-title-template "{title} {config-file}"
CONF
}

# Starts in its folder: that is where Redis keeps its data.
redis_launch() (
  cd "$STACK_DIR/redis"
  launch "$STACK_DIR/redis.pid" "$STACK_DIR/redis.log" ./redis-server "$(redis_marker)"
)

redis_answers() {
  [[ $(timeout 2 redis-cli -h "$STACK_ADDRESS" -p "$REDIS_PORT" ping 2>/dev/null) == PONG ]]
}

redis_stopped() { :; }

redis_remove() {
  rm -rf "$STACK_DIR/redis"
}

# Ports are chosen once and kept, so that a restarted server has the same address.
# shellcheck shell=bash

# Below the ephemeral range of the kernel: an outgoing connection could otherwise take the port of a stopped server.
readonly first_port=15000 last_port=30000

port_is_open() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# free_ports <count>: different unused ports, one per line
free_ports() {
  local wanted=$1 port
  local -A chosen=()
  while ((${#chosen[@]} < wanted)); do
    port=$((first_port + SRANDOM % (last_port - first_port)))
    [[ ${chosen[$port]-} ]] || port_is_open "$port" || chosen[$port]=yes
  done
  printf '%s\n' "${!chosen[@]}"
}

# Kafka also listens on KAFKA_CUT_TARGET_PORT. To clients there it advertises KAFKA_CUT_PORT, where only the proxy of a test
# listens.
readonly port_names=(REDIS_PORT REDIS_TLS_PORT POSTGRES_PORT
  KAFKA_PORT KAFKA_TLS_PORT KAFKA_CONTROLLER_PORT KAFKA_CUT_PORT KAFKA_CUT_TARGET_PORT
  KAFKA2_PORT KAFKA3_PORT)

# Sets all of port_names. A stack of an older version gets the ports it lacks.
choose_ports() {
  local name ports
  touch "$STACK_DIR/ports"
  mapfile -t ports < <(free_ports "${#port_names[@]}")
  for name in "${!port_names[@]}"; do
    grep -q "^${port_names[$name]}=" "$STACK_DIR/ports" || echo "${port_names[$name]}=${ports[$name]}"
  done >"$STACK_DIR/ports.new"
  grep -q ^STACK_ADDRESS= "$STACK_DIR/ports" || echo "STACK_ADDRESS=${STACK_ADDRESS:-127.0.0.1}" >>"$STACK_DIR/ports.new"
  cat "$STACK_DIR/ports" "$STACK_DIR/ports.new" >"$STACK_DIR/ports.all"
  mv "$STACK_DIR/ports.all" "$STACK_DIR/ports"
  rm "$STACK_DIR/ports.new"
  read_ports
}

read_ports() {
  # shellcheck source=/dev/null
  source "$STACK_DIR/ports"
}

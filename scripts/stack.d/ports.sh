# Ports are chosen once and kept, so that a restarted server is found where it was.
# shellcheck shell=bash

# Below the kernel's range for outgoing connections: one of those could otherwise take a stopped server's port.
readonly first_port=15000 last_port=30000

port_is_open() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# free_ports <count>: that many different ports, one per line, on which nothing listens
free_ports() {
  local wanted=$1 port
  local -A chosen=()
  while ((${#chosen[@]} < wanted)); do
    port=$((first_port + SRANDOM % (last_port - first_port)))
    [[ ${chosen[$port]-} ]] || port_is_open "$port" || chosen[$port]=yes
  done
  printf '%s\n' "${!chosen[@]}"
}

# Sets REDIS_PORT, POSTGRES_PORT, KAFKA_PORT and KAFKA_CONTROLLER_PORT.
choose_ports() {
  local ports
  if [[ ! -e $STACK_DIR/ports ]]; then
    mapfile -t ports < <(free_ports 4)
    printf '%s\n' "REDIS_PORT=${ports[0]}" "POSTGRES_PORT=${ports[1]}" \
      "KAFKA_PORT=${ports[2]}" "KAFKA_CONTROLLER_PORT=${ports[3]}" >"$STACK_DIR/ports.new"
    mv "$STACK_DIR/ports.new" "$STACK_DIR/ports"
  fi
  read_ports
}

read_ports() {
  # shellcheck source=/dev/null
  source "$STACK_DIR/ports"
}

# The test of scripts/services and docker/nginx.conf, on the stack of the tests, which it removes.
# shellcheck shell=bash

source "$here/stack.d/ports.sh"
source "$here/stack.d/http.sh"

nginx_pid=

check_services() {
  local free first other nginx health
  export LOCAL_DIR=$repo/.local/test-services
  unset API_PORT INSTANCES
  trap clean_up EXIT
  mapfile -t free < <(free_ports 4)
  first=${free[0]} other=${free[1]} nginx=${free[2]} health=${free[3]}

  API_PORT=$first INSTANCES=2 services_up
  expect_status "$first" /readyz 200
  expect_status "$((first + 1))" /readyz 200
  expect_exports "http://127.0.0.1:$first,http://127.0.0.1:$((first + 1))"
  start_nginx "$first" "$nginx" "$health"
  expect_status "$nginx" /orders 405 # by an instance
  expect_status "$nginx" /readyz 404
  expect_status "$nginx" /metrics 404
  expect_status "$health" /health 200
  end_nginx

  # At another port, without the second instance; the next call keeps both numbers.
  API_PORT=$other INSTANCES=1 services_up
  services_up
  expect_status "$other" /readyz 200
  expect_exports "http://127.0.0.1:$other"
  ! port_is_open "$first" || fail "the first instance still listens on its earlier port"
  ! port_is_open "$((first + 1))" || fail "the second instance still runs"
  ! API_PORT=$other$other services_up 2>/dev/null || fail "API_PORT=$other$other was accepted"
  say "services: ok"
}

clean_up() {
  end_nginx
  "$here/services" down
  rmdir "$LOCAL_DIR"
}

services_up() {
  "$here/services" up >/dev/null
}

# expect_status <port> <path> <status>
expect_status() {
  local status
  status=$(http_status "$1" GET "$2")
  [[ $status == "$3" ]] || fail "$2 on port $1 was answered ${status:-with nothing}, not $3"
}

# expect_exports <URLs of all instances>: programs see the settings once the file is sourced
expect_exports() {
  local seen
  # shellcheck disable=SC2016 # expanded by the inner shells
  seen=$(env -i bash -c '. "$1"; bash -c "echo \$API_URLS \${#ADMIN_TOKEN}"' env "$LOCAL_DIR/env")
  [[ $seen == "$1 32" ]] || fail "$LOCAL_DIR/env exports '$seen'"
}

# start_nginx <port of an instance> <port> <health port>
start_nginx() {
  local folder=$LOCAL_DIR/nginx
  mkdir -p "$folder"
  "$here/nginx-conf" "$2" "$3" "$folder" "127.0.0.1:$1" >"$folder/nginx.conf"
  PATH=$PATH:/usr/sbin nginx -p "$folder" -e stderr -c nginx.conf -g 'daemon off;' &
  nginx_pid=$!
  until port_is_open "$2"; do
    [[ -e /proc/$nginx_pid ]] || fail "nginx does not start with docker/nginx.conf"
    sleep 0.1
  done
}

end_nginx() {
  [[ ! $nginx_pid ]] || kill "$nginx_pid" 2>/dev/null || true
  wait
  nginx_pid=
  rm -rf "$LOCAL_DIR/nginx"
}

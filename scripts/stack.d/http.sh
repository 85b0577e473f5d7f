# A request without curl, which a bare system lacks.
# shellcheck shell=bash

# http_status <port> <path>: of a GET on loopback
http_status() {
  # shellcheck disable=SC2016 # expanded by the inner bash, which timeout can end
  timeout 2 bash -c '
    exec 2>/dev/null
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
    printf "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" "$2" >&3
    read -r _ status _ <&3
    echo "$status"' http_status "$1" "$2" || true
}

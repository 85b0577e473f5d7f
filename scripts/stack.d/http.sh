# HTTP without curl, which a bare system does not have.
# shellcheck shell=bash

# http_status <port> <method> <path> [<header> <JSON body> <timeout in seconds>]: the status of a response on loopback
http_status() {
  # shellcheck disable=SC2016 # expanded by the inner bash, which timeout can end
  timeout "${6-2}" bash -c '
    exec 2>/dev/null
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
    printf "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" "$2" "$3" >&3
    [[ ! ${4-} ]] || printf "%s\r\nContent-Type: application/json\r\nContent-Length: %s\r\n" "$4" "${#5}" >&3
    printf "\r\n%s" "${5-}" >&3
    read -r _ status _ <&3
    echo "$status"' http_status "$1" "$2" "$3" "${4-}" "${5-}" || true
}

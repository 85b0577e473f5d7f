# Certificates and a password for the TLS listeners. Besides its plain port, each store has a port with TLS and a password,
# for tests.
# shellcheck shell=bash

readonly tls_folder=$STACK_DIR/tls
readonly tls_user=fluxgate

# Created once per stack, and moved into place when complete.
tls_prepare() {
  [[ ! -e $tls_folder ]] || return 0
  local new=$tls_folder.new
  rm -rf "$new"
  mkdir -p "$new"
  tls_certificates "$new" >>"$STACK_DIR/tls.log" 2>&1 || fail "cannot create certificates; see $STACK_DIR/tls.log"
  rm -f "$STACK_DIR/tls.log"
  (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$new/password")
  mv -T "$new" "$tls_folder"
}

tls_certificates() (
  cd "$1"
  local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  umask 077
  openssl req -x509 "${key[@]}" -days 365 -subj "/CN=Fluxgate's stack" -keyout authority.key -out authority.pem
  openssl req "${key[@]}" -subj /CN=localhost -keyout server.key -out server.csr
  openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 365 -out server.crt \
    -extfile <(echo subjectAltName=DNS:localhost,IP:$STACK_ADDRESS)
  cat server.key server.crt >server.pem
  rm authority.key server.csr
)

tls_password() {
  cat "$tls_folder/password"
}

tls_remove() {
  rm -rf "$tls_folder" "$tls_folder.new" "$STACK_DIR/tls.log"
}

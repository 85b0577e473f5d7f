# Installs missing Debian packages, and the jars of Kafka from Maven Central.
# shellcheck shell=bash

# missing_packages [nginx]: one Debian package per line. `cargo build` compiles librdkafka with the compilers and the OpenSSL
# headers; `openssl` creates the certificates of the TLS listeners; promtool checks monitoring/.
missing_packages() {
  redis_program >/dev/null || echo redis-tools
  postgres_programs >/dev/null || echo postgresql
  java_program >/dev/null || echo default-jre-headless
  kafka_is_installed || command -v mvn >/dev/null || echo maven
  command -v make >/dev/null || echo make
  command -v cc >/dev/null || printf '%s\n' gcc libc6-dev
  command -v c++ >/dev/null || echo g++
  command -v pkg-config >/dev/null || echo pkg-config
  pkg-config --exists openssl 2>/dev/null || echo libssl-dev
  command -v openssl >/dev/null || echo openssl
  command -v promtool >/dev/null || echo prometheus
  [[ ${1-} != nginx ]] || nginx_program >/dev/null || echo nginx
}

# install_missing [nginx]
install_missing() {
  local packages
  mapfile -t packages < <(missing_packages "$@")
  if ((${#packages[@]})); then
    install_packages "${packages[@]}"
    mapfile -t packages < <(missing_packages "$@")
    ((${#packages[@]} == 0)) || fail "installed, but still not found: ${packages[*]}"
  fi
  kafka_is_installed || install_kafka
}

install_packages() {
  local installer=$here/stack.d/apt-install
  if ! command -v apt-get >/dev/null; then
    fail "this system has no apt-get; install the equivalents of these Debian packages: $*" \
      "(Redis 7, PostgreSQL 15, Java 17, Maven, a C and C++ compiler with make, OpenSSL with its headers, pkg-config)"
  fi
  say "installing Debian packages: $*"
  if ((EUID == 0)); then
    bash "$installer" "$@"
  elif sudo -n true 2>/dev/null; then
    sudo -n bash "$installer" "$@"
  else
    fail "only root can install packages; run this once, then try again:"$'\n'"  $(
      printf 'sudo bash %q' "$installer"
      printf ' %q' "$@"
    )"
  fi
}

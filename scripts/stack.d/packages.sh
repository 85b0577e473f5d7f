# Installing what is missing: Debian packages, and Kafka's jars from Maven Central.
# shellcheck shell=bash

# missing_packages [nginx]: one Debian package per line. The compilers and OpenSSL's headers are for librdkafka, which
# `cargo build` compiles; `openssl` makes the certificates of the stores' encrypted doors; promtool checks
# monitoring/.
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
  # Only runs with several copies of the API behind one address need it: they ask for it.
  [[ ${1-} != nginx ]] || nginx_program >/dev/null || echo nginx
}

# install_missing [nginx]
install_missing() {
  local packages
  mapfile -t packages < <(missing_packages "$@")
  if ((${#packages[@]})); then
    install_packages "${packages[@]}"
    mapfile -t packages < <(missing_packages "$@")
    ((${#packages[@]} == 0)) || fail "installed, but still not usable: ${packages[*]}"
  fi
  kafka_is_installed || install_kafka
}

install_packages() {
  local installer=$here/stack.d/apt-install
  if ! command -v apt-get >/dev/null; then
    fail "this system has no apt-get; please install what Debian calls: $*" \
      "(Redis 7, PostgreSQL 15, Java 17, Maven, a C and C++ compiler with make, OpenSSL with its headers, pkg-config)"
  fi
  say "installing Debian packages: $*"
  if ((EUID == 0)); then
    bash "$installer" "$@"
  elif sudo -n true 2>/dev/null; then
    sudo -n bash "$installer" "$@"
  else
    fail "packages are missing and only root can install them; run this once, then try again:"$'\n'"  $(
      printf 'sudo bash %q' "$installer"
      printf ' %q' "$@"
    )"
  fi
}

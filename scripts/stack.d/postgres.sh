# PostgreSQL with default durability settings, and a user `fluxgate` that owns the database `fluxgate`.
# shellcheck shell=bash

# PostgreSQL refuses to run as root: root starts it as Debian's user postgres, who may have no access to the clone. Then the
# data is in /var/tmp (/tmp may be in memory), and $STACK_DIR/postgres is a symlink to it.
readonly postgres_home=$STACK_DIR/postgres

postgres_data() {
  echo "$(realpath -m "$postgres_home")/data"
}

postgres_marker() {
  postgres_data
}

# Runs a command as the owner of the data; setpriv keeps the pid.
as_postgres=()
if ((EUID == 0)); then
  as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups --)
fi

postgres_prepare() {
  if [[ ! -e $postgres_home ]]; then
    [[ ! -L $postgres_home ]] ||
      fail "PostgreSQL's data in $(readlink "$postgres_home") is gone; run scripts/stack down, then start a new stack"
    postgres_make_home
  fi
  [[ -d $(postgres_data) ]] || postgres_create
  postgres_clear_leftovers
}

postgres_make_home() {
  local folder
  if ((EUID == 0)); then
    folder=$(mktemp -d /var/tmp/fluxgate-postgres.XXXXXX)
    ln -s "$folder" "$postgres_home"
    chown postgres:postgres "$folder"
  else
    mkdir -m 700 "$postgres_home"
  fi
}

# A new database, moved into place when complete. No unix socket, whose path could be too long; no shared memory files
# outside of the data folder.
postgres_create() {
  local programs new
  programs=$(postgres_programs)
  cd "$postgres_home"
  new=$(realpath .)/new
  rm -rf "$new"
  "${as_postgres[@]}" "$programs/initdb" -D "$new" -U postgres --encoding=UTF8 --no-locale --auth=reject
  cat >>"$new/postgresql.conf" <<CONF
listen_addresses = '$STACK_ADDRESS'
port = $POSTGRES_PORT
unix_socket_directories = ''
max_connections = 200
dynamic_shared_memory_type = mmap
ssl = on
CONF
  install_certificate "$new"
  # Connections with TLS need a password.
  cat >"$new/pg_hba.conf" <<CONF
hostnossl all $tls_user samenet trust
hostssl all $tls_user samenet scram-sha-256
CONF
  "${as_postgres[@]}" "$programs/postgres" --single -D "$new" postgres <<SQL
CREATE ROLE $tls_user LOGIN CREATEDB IN ROLE pg_monitor PASSWORD '$(tls_password)';
CREATE DATABASE fluxgate OWNER $tls_user;
SQL
  mv -T "$new" "$(postgres_data)"
}

# PostgreSQL requires that only its user can read the key.
install_certificate() {
  cp "$tls_folder/server.crt" "$tls_folder/server.key" "$1"
  chmod 600 "$1/server.key"
  ((EUID != 0)) || chown postgres:postgres "$1"/server.{crt,key}
}

# The shared memory segment in postmaster.pid, if it still exists.
postgres_segment() {
  local noted
  noted=$(sed -n '7s/.* //p' "$(postgres_data)/postmaster.pid" 2>/dev/null)
  [[ $noted ]] && awk -v id="$noted" '$2 == id { print $2, $7 }' /proc/sysvipc/shm
}

# A killed postmaster leaves its lock file, and for a moment its children, which are attached to its shared memory. Once they
# are gone, the lock file is stale, even if its pid has been reused.
postgres_clear_leftovers() {
  local deadline=$((SECONDS + 30)) segment attached
  while read -r segment attached < <(postgres_segment) && ((attached > 0)); do
    ((SECONDS < deadline)) || fail "processes of a killed PostgreSQL have not ended within 30 s"
    sleep 0.05
  done
  [[ ! ${segment-} ]] || ipcrm -m "$segment" || true
  rm -f "$(postgres_data)/postmaster.pid"
}

postgres_launch() {
  cd "$postgres_home"
  launch "$STACK_DIR/postgres.pid" "$STACK_DIR/postgres.log" \
    "${as_postgres[@]}" "$(postgres_programs)/postgres" -D "$(postgres_data)"
}

postgres_answers() {
  [[ $(timeout 2 "$(postgres_programs)/psql" -X -A -t -q -c 'SELECT 1' "$(postgres_url)" 2>/dev/null) == 1 ]]
}

postgres_url() {
  echo "postgres://$tls_user@$STACK_ADDRESS:$POSTGRES_PORT/fluxgate?sslmode=disable"
}

postgres_stopped() {
  postgres_clear_leftovers
}

# Operations of the fault runs.

postgres_saved() {
  echo "$(realpath -m "$postgres_home")/saved"
}

# cp -a keeps the owners.
postgres_save() {
  rm -rf "$(postgres_saved)"
  cp -a "$(postgres_data)" "$(postgres_saved)"
}

postgres_revert() {
  [[ -d $(postgres_saved) ]] || fail "no PostgreSQL data was saved"
  rm -rf "$(postgres_data)"
  mv -T "$(postgres_saved)" "$(postgres_data)"
}

postgres_disk() {
  echo "$(realpath -m "$postgres_home")/small"
}

# A tablespace on a file system of 2 MiB in memory, which is soon full. Exit code 3 if mounting is not permitted.
# Only the superuser can create one, and the superuser has no login: PostgreSQL must be stopped.
postgres_make_small() {
  local disk
  disk=$(postgres_disk)
  mkdir -p "$disk"
  if ! mount -t tmpfs -o size=2m,mode=700 tmpfs "$disk" 2>/dev/null; then
    say "mounting is not permitted"
    exit 3
  fi
  chown postgres:postgres "$disk"
  "${as_postgres[@]}" "$(postgres_programs)/postgres" --single -D "$(postgres_data)" postgres >>"$STACK_DIR/postgres.log" 2>&1 \
    <<<"CREATE TABLESPACE small OWNER fluxgate LOCATION '$disk'"
}

postgres_remove() {
  ! mountpoint -q "$(postgres_disk)" || umount "$(postgres_disk)"
  if [[ -L $postgres_home ]]; then
    rm -rf "$(readlink "$postgres_home")"
  fi
  rm -rf "$postgres_home"
}

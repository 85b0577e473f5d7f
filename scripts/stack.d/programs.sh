# Finds the programs that the stack needs.
# shellcheck shell=bash

# The Redis server and its checkers are one program with several names. The Debian package redis-tools has the checkers;
# redis-server would add a symlink and a system service.
redis_program() {
  command -v redis-server || command -v redis-check-rdb
}

# The folder of initdb, postgres and psql. Fluxgate is tested with 15; newer versions work.
postgres_programs() {
  local folder
  for folder in /usr/lib/postgresql/{15,16,17,18}/bin "$(dirname "$(command -v initdb || echo none)")"; do
    if [[ -x $folder/initdb && -x $folder/postgres && -x $folder/psql ]]; then
      echo "$folder"
      return
    fi
  done
  return 1
}

# Kafka 4 needs Java 17.
java_program() {
  local java version
  for java in "$(command -v java)" /usr/lib/jvm/*/bin/java; do
    [[ -x $java ]] || continue
    version=$("$java" -XX:-UsePerfData -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
    if [[ $version -ge 17 ]]; then
      echo "$java"
      return
    fi
  done
  return 1
}

# /usr/sbin is not on the PATH of every user.
nginx_program() {
  command -v nginx || { [[ -x /usr/sbin/nginx ]] && echo /usr/sbin/nginx; }
}

# Where the programs are that the stack needs.
# shellcheck shell=bash

# Redis's server and its checkers are one program that goes by its name. Debian's redis-tools carries the checkers;
# the package redis-server adds a link and a system service that we do not want.
redis_program() {
  command -v redis-server || command -v redis-check-rdb
}

# The folder of initdb, postgres and psql. 15 is what Fluxgate is tested with; a newer one will do.
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

# Debian's nginx is not on everybody's path.
nginx_program() {
  command -v nginx || { [[ -x /usr/sbin/nginx ]] && echo /usr/sbin/nginx; }
}

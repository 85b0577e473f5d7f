# Kafka: one KRaft node, broker and controller in one process.
# shellcheck shell=bash

readonly kafka_version=4.1.0
readonly kafka_home=$repo/.local/kafka-$kafka_version

kafka_is_installed() {
  [[ -d $kafka_home ]]
}

# Kafka and its dependencies, with verified checksums; moved into place when complete.
install_kafka() (
  mkdir -p "$repo/.local"
  exec {install_lock}>"$repo/.local/install.lock"
  flock -w 600 "$install_lock" || fail "another installation of Kafka has been running for 600 s"
  ! kafka_is_installed || exit 0
  say "downloading Kafka $kafka_version from Maven Central"
  rm -rf "$kafka_home".* # the rest of an installation that was killed
  unfinished=$(mktemp -d "$kafka_home.XXXXXX")
  trap 'rm -rf "$unfinished"' EXIT
  MAVEN_OPTS="${MAVEN_OPTS-} -XX:-UsePerfData" timeout --foreground 900 \
    mvn -B -q -ntp -C -Dstyle.color=never -f "$here/stack.d/kafka/pom.xml" dependency:copy-dependencies \
    -Dkafka.version="$kafka_version" -DoutputDirectory="$unfinished" >&2 </dev/null ||
    fail "Maven cannot download Kafka"
  chmod 755 "$unfinished"
  mv -T "$unfinished" "$kafka_home"
)

kafka_marker() {
  echo "$STACK_DIR/kafka/server.properties"
}

kafka_prepare() {
  local folder=$STACK_DIR/kafka
  mkdir -p "$folder/tmp"
  cat >"$folder/server.properties" <<CONF
process.roles=broker,controller
node.id=1
listeners=BROKER://$STACK_ADDRESS:$KAFKA_PORT,SECURE://$STACK_ADDRESS:$KAFKA_TLS_PORT,CUT://127.0.0.1:$KAFKA_CUT_TARGET_PORT,CONTROLLER://127.0.0.1:$KAFKA_CONTROLLER_PORT
# Clients continue at the advertised address. For those of CUT it is the address of a proxy of the fault runs.
advertised.listeners=BROKER://$STACK_ADDRESS:$KAFKA_PORT,SECURE://$STACK_ADDRESS:$KAFKA_TLS_PORT,CUT://127.0.0.1:$KAFKA_CUT_PORT,CONTROLLER://127.0.0.1:$KAFKA_CONTROLLER_PORT
listener.security.protocol.map=BROKER:PLAINTEXT,SECURE:SASL_SSL,CUT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:$KAFKA_CONTROLLER_PORT

listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location=$tls_folder/server.pem
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_$tls_user="$(tls_password)";

log.dirs=data

# \`inventory-worker migrate\` creates the topics; a misspelled name must not.
auto.create.topics.enable=false

# One node: no replicas, and no second member to wait for.
group.initial.rebalance.delay.ms=0

# For groups of the consumer protocol (KIP-848) the broker sets the timeouts: here as short as the tests set them for classic
# groups. The defaults and minimums are 45 s and 5 s.
group.consumer.session.timeout.ms=6000
group.consumer.min.session.timeout.ms=6000
group.consumer.heartbeat.interval.ms=600
group.consumer.min.heartbeat.interval.ms=600

offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# The default reserves 128 MiB of heap for compaction.
log.cleaner.dedupe.buffer.size=16777216
CONF
  [[ -e $folder/formatted ]] || kafka_format
}

kafka_format() {
  local cluster_id
  cluster_id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_')
  cd "$STACK_DIR/kafka"
  rm -rf data
  # With "=", because one id in 64 starts with a hyphen.
  kafka_command kafka kafka.tools.StorageTool format --standalone --cluster-id="${cluster_id%==}" -c "$(kafka_marker)" \
    --add-scram "SCRAM-SHA-512=[name=$tls_user,password=$(tls_password)]"
  "${command[@]}" </dev/null
  touch formatted
}

kafka_launch() {
  kafka_command kafka kafka.Kafka "$(kafka_marker)"
  cd "$STACK_DIR/kafka"
  launch "$STACK_DIR/kafka.pid" stdout "${command[@]}"
}

# kafka_command <store> <main class> <arguments...>: sets `command`.
# Java unpacks native libraries into the folder of the stack, and leaves no performance data in /tmp.
kafka_command() {
  local store=$1
  shift
  command=("$(java_program)" -Xms512m -Xmx768m -XX:+UseG1GC -XX:-UsePerfData
    -Djava.io.tmpdir="$STACK_DIR/$store/tmp" -Djava.awt.headless=true
    -Dlog4j2.configurationFile="$here/stack.d/kafka/log4j2.xml" -Dfluxgate.log="$STACK_DIR/$store.log"
    -cp "$kafka_home/*" "$@")
}

# Asks in the Kafka protocol: the port is open before the broker can serve. With a timeout, because a paused broker accepts
# connections and never answers.
kafka_answers() {
  timeout 2 bash "$here/stack.d/kafka/ping" "$KAFKA_PORT" "$STACK_ADDRESS"
}

kafka_stopped() { :; }

kafka_remove() {
  rm -rf "$STACK_DIR/kafka" "$STACK_DIR"/kafka.log*
}

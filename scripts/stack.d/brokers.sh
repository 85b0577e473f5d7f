# kafka2 and kafka3: brokers beside the one of `kafka`, which is also their controller. They run only while somebody needs
# replicas or a partition without a leader: `up` does not start them, `status` does not list them.
# shellcheck shell=bash

readonly more_brokers=(kafka2 kafka3)

# broker_prepare <store>
broker_prepare() {
  local store=$1 folder=$STACK_DIR/$1 port=${1^^}_PORT
  mkdir -p "$folder/tmp"
  cat >"$folder/server.properties" <<CONF
process.roles=broker
node.id=${store#kafka}
listeners=BROKER://$STACK_ADDRESS:${!port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:$KAFKA_CONTROLLER_PORT
log.dirs=data
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
log.cleaner.dedupe.buffer.size=16777216
CONF
  [[ -e $folder/formatted ]] || broker_format "$store"
}

# As a member of the cluster of `kafka`.
broker_format() {
  local cluster_id
  cluster_id=$(sed -n 's/^cluster.id=//p' "$STACK_DIR/kafka/data/meta.properties")
  cd "$STACK_DIR/$1"
  rm -rf data
  kafka_command "$1" kafka.tools.StorageTool format --cluster-id="$cluster_id" -c "$STACK_DIR/$1/server.properties"
  "${command[@]}" </dev/null
  touch formatted
}

broker_launch() {
  kafka_command "$1" kafka.Kafka "$STACK_DIR/$1/server.properties"
  cd "$STACK_DIR/$1"
  launch "$STACK_DIR/$1.pid" stdout "${command[@]}"
}

broker_answers() {
  local port=${1^^}_PORT
  timeout 2 bash "$here/stack.d/kafka/ping" "${!port}" "$STACK_ADDRESS"
}

broker_remove() {
  rm -rf "${STACK_DIR:?}/$1" "$STACK_DIR/$1".log*
}

kafka2_marker() { echo "$STACK_DIR/kafka2/server.properties"; }
kafka3_marker() { echo "$STACK_DIR/kafka3/server.properties"; }
kafka2_prepare() { broker_prepare kafka2; }
kafka3_prepare() { broker_prepare kafka3; }
kafka2_launch() { broker_launch kafka2; }
kafka3_launch() { broker_launch kafka3; }
kafka2_answers() { broker_answers kafka2; }
kafka3_answers() { broker_answers kafka3; }
kafka2_stopped() { :; }
kafka3_stopped() { :; }
kafka2_remove() { broker_remove kafka2; }
kafka3_remove() { broker_remove kafka3; }

# Stores beside the cluster: processes on this machine that listen where pods can reach it.
# shellcheck shell=bash

start_stores() {
  STACK_DIR=$repo/.local/trial-stack
  STACK_ADDRESS=$(kubectl get nodes --output 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}')
  export STACK_DIR STACK_ADDRESS
  "$repo/scripts/stack" down # what a killed trial left
  "$repo/scripts/stack" up
  set -a
  # shellcheck source=/dev/null
  source "$STACK_DIR/env"
  set +a
}

# Under the names and ports that the overlay `local` knows; at this machine the ports are whatever was free.
lead_pods_to_the_stores() {
  kube apply --filename - <<YAML
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: stores}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: $STACK_ADDRESS/32}}]}]
YAML
  store redis 6379 "${REDIS_URL##*:}"
  store kafka 9092 "${KAFKA_BROKERS##*:}"
  store postgres 5432 "$(sed 's|.*:\([0-9]*\)/.*|\1|' <<<"$DATABASE_URL")"
}

# store <name> <port> <port on this machine>: a Service whose one endpoint is no pod
store() {
  kube apply --filename - <<YAML
apiVersion: v1
kind: Service
metadata: {name: $1}
spec:
  ports: [{port: $2, targetPort: $3}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: $1
  labels: {kubernetes.io/service-name: $1}
addressType: IPv4
endpoints: [{addresses: [$STACK_ADDRESS]}]
ports: [{port: $3}]
YAML
}

# The stores of the trial: processes on this machine, on an address that pods can reach.
# shellcheck shell=bash

start_stores() {
  STACK_DIR=$repo/.local/trial-stack
  STACK_ADDRESS=$(kubectl get nodes --output 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}')
  export STACK_DIR STACK_ADDRESS
  "$repo/scripts/stack" down # the rest of a trial that was killed
  "$repo/scripts/stack" up
  # shellcheck source=/dev/null
  source "$STACK_DIR/env"
}

# Services with the names and ports of the overlay `local`, for the ports that were free on this machine.
route_pods_to_stores() {
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

# store <name> <port> <port on this machine>: a Service with this machine as its endpoint
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

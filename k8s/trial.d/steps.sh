# The steps of the trial. Each one starts when the previous one has settled.
# shellcheck shell=bash

readonly pause=5 # seconds of undisturbed load between two steps
readonly patience=120s

all_steps() {
  sleep "$pause"
  step "four workers" workers_become 4
  step "one worker" workers_become 1
  step "two workers" workers_become 2
  step "restart of the API" rollout ingest-api
  step "restart of the workers" rollout inventory-worker
  step "API pod deleted" lose_pod ingest-api --wait=false
  step "worker pod killed" lose_pod inventory-worker --force --grace-period=0
}

# step <words> <command...>
step() {
  local words=$1 begin=$SECONDS
  shift
  "$@" >&2
  printf '%3s s  %s\n' $((SECONDS - begin)) "$words"
  sleep "$pause"
}

workers_become() {
  kube scale deployment/inventory-worker --replicas="$1"
  kube rollout status deployment/inventory-worker --timeout="$patience"
  until [[ $(kube get pods --selector app=inventory-worker --output name | wc -l) == "$1" ]]; do
    sleep 0.5 # pods terminate within their grace period
  done
}

rollout() {
  kube rollout restart "deployment/$1"
  kube rollout status "deployment/$1" --timeout="$patience"
}

# lose_pod <service> <options of kubectl delete...>: the newest pod, which is not terminating
lose_pod() {
  local pod
  pod=$(kube get pods --selector "app=$1" --sort-by=.metadata.creationTimestamp --output 'jsonpath={.items[-1:].metadata.name}')
  kube delete pod "$pod" "${@:2}"
  kube wait --for=delete "pod/$pod" --timeout="$patience"
  kube rollout status "deployment/$1" --timeout="$patience"
}

# As the CronJob does every 15 minutes.
audit() {
  kube create job audit --from=cronjob/reconciler
  kube wait --for=condition=complete job/audit --timeout=300s || fail "the audit failed: $(kube logs job/audit)"
  kube logs job/audit
}

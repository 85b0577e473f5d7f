# What is done to the services while they are under load, each step when the one before has settled.
# shellcheck shell=bash

readonly pause=5 # of load alone, between two steps
readonly patience=120s

all_steps() {
  sleep "$pause"
  step "four workers" workers_become 4
  step "one worker" workers_become 1
  step "two workers" workers_become 2
  step "a rollout of the API" rollout ingest-api
  step "a rollout of the workers" rollout inventory-worker
  step "an API pod deleted" lose_pod ingest-api --wait=false
  step "a worker pod deleted by force" lose_pod inventory-worker --force --grace-period=0
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
    sleep 0.5 # some are still leaving, for at most their grace period
  done
}

rollout() {
  kube rollout restart "deployment/$1"
  kube rollout status "deployment/$1" --timeout="$patience"
}

# lose_pod <service> <how...>: the newest, which surely is not leaving already
lose_pod() {
  local pod
  pod=$(kube get pods --selector "app=$1" --sort-by=.metadata.creationTimestamp --output 'jsonpath={.items[-1:].metadata.name}')
  kube delete pod "$pod" "${@:2}"
  kube wait --for=delete "pod/$pod" --timeout="$patience"
  kube rollout status "deployment/$1" --timeout="$patience"
}

# What the CronJob does every quarter of an hour.
audit() {
  kube create job audit --from=cronjob/reconciler
  kube wait --for=condition=complete job/audit --timeout=300s || fail "the audit: $(kube logs job/audit)"
  kube logs job/audit
}

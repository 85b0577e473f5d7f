"""The number of pods, and what sets it."""

from ..workload import quantity
from . import rule

AUTOSCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
CONNECTIONS_MAX = 90  # of max_connections 100, the default of PostgreSQL; ten are reserved for other clients


@rule
def the_local_overlay_has_fixed_replicas(overlay):
    if overlay.name == "local":
        for autoscaler in overlay.of_kind(*AUTOSCALERS):
            yield f"{autoscaler['kind']} {autoscaler['metadata']['name']} would undo kubectl scale"
        for deployment in overlay.of_kind("Deployment"):
            if "replicas" not in deployment["spec"]:
                yield f"{deployment['metadata']['name']}: has no replicas"


@rule
def the_local_overlay_fits_on_two_cpus(overlay):
    if overlay.name == "local":
        # One more pod of each during a rollout; four workers after `kubectl scale`.
        pods = {"ingest-api": 3, "inventory-worker": 5}
        asked = sum(
            pods.get(workload.name, 1) * quantity(container["resources"]["requests"]["cpu"])
            for workload, container in overlay.containers
        )
        if asked > 2:
            yield f"requests {asked:g} CPUs"


@rule
def autoscaled_deployments_have_no_replicas(overlay):
    for autoscaler in overlay.of_kind(*AUTOSCALERS):
        target = autoscaler["spec"]["scaleTargetRef"]["name"]
        deployment = overlay.find("Deployment", target)
        if deployment is None:
            yield f"{autoscaler['metadata']['name']}: there is no Deployment {target}"
        elif "replicas" in deployment["spec"]:
            yield f"{target}: an apply would overrule the autoscaler"


@rule
def production_scales_the_api_by_cpu(overlay):
    if overlay.name != "production":
        return
    autoscaler = overlay.find("HorizontalPodAutoscaler", "ingest-api")
    if autoscaler is None:
        yield "there is no HorizontalPodAutoscaler"
        return
    spec = autoscaler["spec"]
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    if (spec["minReplicas"], spec["maxReplicas"]) != (2, 20):
        yield f"ingest-api: {spec['minReplicas']} to {spec['maxReplicas']} replicas, not 2 to 20"
    if [metric.get("resource") for metric in spec["metrics"]] != [cpu]:
        yield "ingest-api: does not scale at 70 % of its CPU"
    if spec.get("behavior", {}).get("scaleDown", {}).get("stabilizationWindowSeconds") != 300:
        yield "ingest-api: does not wait 300 s before it scales down"


@rule
def production_scales_the_workers_by_lag(overlay):
    if overlay.name != "production":
        return
    scaled = overlay.find("ScaledObject", "inventory-worker")
    triggers = scaled["spec"]["triggers"] if scaled else []
    if [trigger["type"] for trigger in triggers] != ["kafka"]:
        yield "inventory-worker: is not scaled by lag"
        return
    if triggers[0]["metadata"].get("lagThreshold") != "10000":
        yield f"inventory-worker: a lag of {triggers[0]['metadata'].get('lagThreshold')}, not 10000"
    partitions = int(overlay.setting(overlay.workload("migration").containers[0], "KAFKA_PARTITIONS"))
    if not 2 <= scaled["spec"]["minReplicaCount"] <= scaled["spec"]["maxReplicaCount"] <= partitions:
        yield f"inventory-worker: more replicas than the {partitions} partitions, or fewer than two"


@rule
def production_stays_within_max_connections(overlay):
    if overlay.name != "production":
        return
    # Connections per pod, with one more pod during a rollout. A worker has four besides those of its writers.
    api, workers = overlay.find("HorizontalPodAutoscaler", "ingest-api"), overlay.find("ScaledObject", "inventory-worker")
    asked = {
        "ingest-api": (api["spec"]["maxReplicas"] if api else 0, "READ_DATABASE_CONNECTIONS", 0),
        "inventory-worker": (workers["spec"]["maxReplicaCount"] if workers else 0, "BATCH_WRITERS", 4),
    }
    for name, (replicas, setting, more) in asked.items():
        connections = (replicas + 1) * (int(overlay.setting(overlay.workload(name).containers[0], setting)) + more)
        if connections > CONNECTIONS_MAX:
            yield f"{name}: up to {connections} connections to PostgreSQL, more than {CONNECTIONS_MAX}"


@rule
def keda_reads_the_settings_of_the_workers(overlay):
    for scaled in overlay.of_kind("ScaledObject"):
        container = overlay.workload(scaled["spec"]["scaleTargetRef"]["name"]).containers[0]
        settings = overlay.settings_of(container)
        for trigger in scaled["spec"]["triggers"]:
            authentication = overlay.find("TriggerAuthentication", trigger.get("authenticationRef", {}).get("name"))
            asked = [value for key, value in trigger["metadata"].items() if key.endswith("FromEnv")]
            asked += [entry["name"] for entry in (authentication or {"spec": {"env": []}})["spec"]["env"]]
            for name in {"KAFKA_BROKERS", "KAFKA_TOPIC", "KAFKA_GROUP", "KAFKA_USERNAME", "KAFKA_PASSWORD"} - set(asked):
                yield f"{scaled['metadata']['name']}: KEDA does not read {name}"
            for name in set(asked) - settings.keys():
                yield f"{scaled['metadata']['name']}: the workers have no setting {name}"
            mechanism = settings.get("KAFKA_SASL_MECHANISM", "").lower().replace("sha-", "sha").replace("-", "_")
            if trigger["metadata"].get("sasl") != mechanism:
                yield f"{scaled['metadata']['name']}: sasl is {trigger['metadata'].get('sasl')}, that of the workers {mechanism}"

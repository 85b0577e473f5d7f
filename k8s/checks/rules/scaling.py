"""How many copies there are, and who says so."""

from ..workload import quantity
from . import rule

AUTOSCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
CONNECTIONS_MAX = 90  # of PostgreSQL's default of 100; ten for whoever else there is


@rule
def the_local_overlay_leaves_scaling_to_people(overlay):
    if overlay.name == "local":
        for autoscaler in overlay.of_kind(*AUTOSCALERS):
            yield f"{autoscaler['kind']} {autoscaler['metadata']['name']} would undo kubectl scale"
        for deployment in overlay.of_kind("Deployment"):
            if "replicas" not in deployment["spec"]:
                yield f"{deployment['metadata']['name']}: nobody says how many copies there are"


@rule
def the_local_overlay_fits_on_two_cpus(overlay):
    if overlay.name == "local":
        # One copy more of each while it rolls out, four workers after `kubectl scale`.
        copies = {"ingest-api": 3, "inventory-worker": 5}
        asked = sum(
            copies.get(workload.name, 1) * quantity(container["resources"]["requests"]["cpu"])
            for workload, container in overlay.containers
        )
        if asked > 2:
            yield f"asks for {asked:g} CPUs"


@rule
def autoscaled_deployments_have_no_number_of_their_own(overlay):
    for autoscaler in overlay.of_kind(*AUTOSCALERS):
        target = autoscaler["spec"]["scaleTargetRef"]["name"]
        deployment = overlay.find("Deployment", target)
        if deployment is None:
            yield f"{autoscaler['metadata']['name']}: there is no Deployment {target}"
        elif "replicas" in deployment["spec"]:
            yield f"{target}: an apply would undo what the autoscaler did"


@rule
def production_scales_the_api_on_its_cpu(overlay):
    if overlay.name != "production":
        return
    autoscaler = overlay.find("HorizontalPodAutoscaler", "ingest-api")
    if autoscaler is None:
        yield "there is no HorizontalPodAutoscaler"
        return
    spec = autoscaler["spec"]
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    if (spec["minReplicas"], spec["maxReplicas"]) != (2, 20):
        yield f"ingest-api: {spec['minReplicas']} to {spec['maxReplicas']} copies, not 2 to 20"
    if [metric.get("resource") for metric in spec["metrics"]] != [cpu]:
        yield "ingest-api: does not scale at 70 % of its CPU"
    if spec.get("behavior", {}).get("scaleDown", {}).get("stabilizationWindowSeconds") != 300:
        yield "ingest-api: does not wait 300 s before it scales down"


@rule
def production_scales_the_workers_on_their_lag(overlay):
    if overlay.name != "production":
        return
    scaled = overlay.find("ScaledObject", "inventory-worker")
    triggers = scaled["spec"]["triggers"] if scaled else []
    if [trigger["type"] for trigger in triggers] != ["kafka"]:
        yield "inventory-worker: is not scaled on the lag"
        return
    if triggers[0]["metadata"].get("lagThreshold") != "10000":
        yield f"inventory-worker: a lag of {triggers[0]['metadata'].get('lagThreshold')}, not 10000"
    partitions = int(overlay.setting(overlay.workload("migration").containers[0], "KAFKA_PARTITIONS"))
    if not 2 <= scaled["spec"]["minReplicaCount"] <= scaled["spec"]["maxReplicaCount"] <= partitions:
        yield f"inventory-worker: more copies than the {partitions} partitions, or fewer than two"


@rule
def production_stays_within_the_connections_that_postgresql_allows(overlay):
    if overlay.name != "production":
        return
    # One copy more while it rolls out, each with so many; a worker has four beside its writers'.
    api, workers = overlay.find("HorizontalPodAutoscaler", "ingest-api"), overlay.find("ScaledObject", "inventory-worker")
    asked = {
        "ingest-api": (api["spec"]["maxReplicas"] if api else 0, "READ_DATABASE_CONNECTIONS", 0),
        "inventory-worker": (workers["spec"]["maxReplicaCount"] if workers else 0, "BATCH_WRITERS", 4),
    }
    for name, (copies, setting, more) in asked.items():
        connections = (copies + 1) * (int(overlay.setting(overlay.workload(name).containers[0], setting)) + more)
        if connections > CONNECTIONS_MAX:
            yield f"{name}: up to {connections} connections to one PostgreSQL, which allows {CONNECTIONS_MAX}"


@rule
def keda_asks_what_the_workers_are_told(overlay):
    for scaled in overlay.of_kind("ScaledObject"):
        container = overlay.workload(scaled["spec"]["scaleTargetRef"]["name"]).containers[0]
        told = overlay.settings_of(container)
        for trigger in scaled["spec"]["triggers"]:
            authentication = overlay.find("TriggerAuthentication", trigger.get("authenticationRef", {}).get("name"))
            asked = [value for key, value in trigger["metadata"].items() if key.endswith("FromEnv")]
            asked += [entry["name"] for entry in (authentication or {"spec": {"env": []}})["spec"]["env"]]
            for name in {"KAFKA_BROKERS", "KAFKA_TOPIC", "KAFKA_GROUP", "KAFKA_USERNAME", "KAFKA_PASSWORD"} - set(asked):
                yield f"{scaled['metadata']['name']}: KEDA does not ask for {name}"
            for name in set(asked) - told.keys():
                yield f"{scaled['metadata']['name']}: the workers are told no {name}"
            mechanism = told.get("KAFKA_SASL_MECHANISM", "").lower().replace("sha-", "sha").replace("-", "_")
            if trigger["metadata"].get("sasl") != mechanism:
                yield f"{scaled['metadata']['name']}: sasl is {trigger['metadata'].get('sasl')}, the workers' {mechanism}"

"""References between objects resolve."""

from .. import prometheus_rule
from . import rule


def selects(selector: dict, labels: dict) -> bool:
    """matchLabels, and of matchExpressions the operator In."""
    chosen = (labels.get(term["key"]) in term["values"] for term in selector.get("matchExpressions", []))
    return selector.get("matchLabels", {}).items() <= labels.items() and all(chosen)


@rule
def every_service_selects_pods_and_their_port(overlay):
    for service in overlay.of_kind("Service"):
        name = service["metadata"]["name"]
        found = overlay.selected_by({"matchLabels": service["spec"].get("selector", {})})
        if len(found) != 1:
            yield f"{name}: the Service selects {[workload.name for workload in found]}"
        for workload in found:
            for port in service["spec"]["ports"]:
                if workload.port(port.get("targetPort")) is None:
                    yield f"{name}: the pods have no port {port.get('targetPort')}"


@rule
def every_deployment_is_labelled_with_its_name(overlay):
    for workload in overlay.workloads:
        if workload.labels.get("app") != workload.name or workload.object["metadata"]["labels"].get("app") != workload.name:
            yield f"{workload.name}: its label app is {workload.labels.get('app')}"
        if workload.is_a_service and workload.object["spec"]["selector"] != {"matchLabels": {"app": workload.name}}:
            yield f"{workload.name}: selects {workload.object['spec']['selector']}"


@rule
def both_services_are_complete(overlay):
    for name in ("ingest-api", "inventory-worker"):
        for kind in ("Deployment", "Service", "PodDisruptionBudget", "ServiceAccount", "NetworkPolicy"):
            if overlay.find(kind, name) is None:
                yield f"there is no {kind} {name}"


@rule
def every_disruption_budget_allows_one_eviction(overlay):
    for budget in overlay.of_kind("PodDisruptionBudget"):
        name = budget["metadata"]["name"]
        if [workload.name for workload in overlay.selected_by(budget["spec"]["selector"])] != [name]:
            yield f"{name}: its PodDisruptionBudget selects other pods"
        if budget["spec"].get("maxUnavailable") != 1:
            yield f"{name}: its PodDisruptionBudget allows {budget['spec'].get('maxUnavailable')} evictions"


@rule
def pods_are_spread_over_nodes_and_zones(overlay):
    for workload in overlay.workloads:
        spread = workload.pod.get("topologySpreadConstraints", [])
        if workload.is_a_service and {entry["topologyKey"] for entry in spread} != {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }:
            yield f"{workload.name}: not spread over nodes and zones"
        for entry in spread:
            if not selects(entry["labelSelector"], workload.labels):
                yield f"{workload.name}: spread with other pods"
            if entry["whenUnsatisfiable"] != "ScheduleAnyway":
                yield f"{workload.name}: stays pending if it cannot be spread"


@rule
def prometheus_scrapes_both_services(overlay):
    found = set()
    for monitor in overlay.of_kind("ServiceMonitor"):
        for service in overlay.of_kind("Service"):
            if selects(monitor["spec"]["selector"], service["metadata"]["labels"]):
                ports = {port["name"] for port in service["spec"]["ports"]}
                asked = {(endpoint["port"], endpoint["path"]) for endpoint in monitor["spec"]["endpoints"]}
                if "ops" in ports and asked == {("ops", "/metrics")}:
                    found.add(service["metadata"]["name"])
    if overlay.name == "production" and found != {"ingest-api", "inventory-worker"}:
        yield f"its ServiceMonitors select {sorted(found)}"


@rule
def prometheus_gets_the_alerts(overlay):
    if overlay.name == "production" and prometheus_rule.is_due() and not overlay.of_kind("PrometheusRule"):
        yield "prometheus/kustomization.yaml does not name prometheus-rule.yaml"

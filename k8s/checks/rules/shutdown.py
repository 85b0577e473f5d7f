"""Graceful shutdown and rollout."""

from . import rule


def pre_stop_seconds(container) -> int:
    return container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)


@rule
def the_grace_period_is_longer_than_the_shutdown(overlay):
    for workload, container in overlay.containers:
        if workload.is_a_service:
            needed = pre_stop_seconds(container) + int(overlay.setting(container, "SHUTDOWN_TIMEOUT_SECONDS"))
            granted = workload.pod.get("terminationGracePeriodSeconds", 30)
            if granted < needed + 5:
                yield f"{workload.name}: {granted} s of grace for {needed} s of shutdown"


@rule
def a_terminating_pod_serves_until_its_service_drops_it(overlay):
    # Nodes take a moment to remove a pod from a Service with a cluster IP.
    for service in overlay.of_kind("Service"):
        if service["spec"].get("clusterIP") != "None":
            for workload in overlay.selected_by({"matchLabels": service["spec"].get("selector", {})}):
                if all(pre_stop_seconds(container) < 5 for container in workload.containers):
                    yield f"{workload.name}: no preStop of 5 s"


@rule
def a_rollout_starts_new_pods_first(overlay):
    for deployment in overlay.of_kind("Deployment"):
        rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
        if rolling.get("maxUnavailable") != 0:
            yield f"{deployment['metadata']['name']}: maxUnavailable is {rolling.get('maxUnavailable')}"

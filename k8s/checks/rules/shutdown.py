"""How copies leave without anybody noticing."""

from . import rule


def waits_before_the_signal(container) -> int:
    return container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)


@rule
def the_grace_period_is_longer_than_the_shutdown(overlay):
    for workload, container in overlay.containers:
        if workload.runs_for_ever:
            needed = waits_before_the_signal(container) + int(overlay.setting(container, "SHUTDOWN_TIMEOUT_SECONDS"))
            granted = workload.pod.get("terminationGracePeriodSeconds", 30)
            if granted < needed + 5:
                yield f"{workload.name}: {granted} s of grace for {needed} s of shutdown"


@rule
def a_copy_that_leaves_serves_until_nobody_sends_it_anything(overlay):
    # A Service with an address of its own is known to every node, and takes a moment to be forgotten by all of them.
    for service in overlay.of_kind("Service"):
        if service["spec"].get("clusterIP") != "None":
            for workload in overlay.selected_by({"matchLabels": service["spec"].get("selector", {})}):
                if all(waits_before_the_signal(container) < 5 for container in workload.containers):
                    yield f"{workload.name}: no preStop of 5 s"


@rule
def a_rollout_starts_a_new_copy_before_it_ends_an_old_one(overlay):
    for deployment in overlay.of_kind("Deployment"):
        rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
        if rolling.get("maxUnavailable") != 0:
            yield f"{deployment['metadata']['name']}: maxUnavailable is {rolling.get('maxUnavailable')}"

"""Hardening, resources and images of all containers."""

from . import rule

LOCKED_POD = {
    "runAsNonRoot": lambda value: value is True,
    "runAsUser": lambda value: isinstance(value, int) and value >= 10000,
    "seccompProfile": lambda value: value == {"type": "RuntimeDefault"},
}
LOCKED_CONTAINER = {
    "allowPrivilegeEscalation": lambda value: value is False,
    "readOnlyRootFilesystem": lambda value: value is True,
    "capabilities": lambda value: value == {"drop": ["ALL"]},
}


@rule
def every_container_has_requests_and_a_memory_limit(overlay):
    for workload, container in overlay.containers:
        resources = container.get("resources", {})
        for section, resource in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if resource not in resources.get(section, {}):
                yield f"{workload.name}: no {resource} in {section}"


@rule
def every_container_is_locked_down(overlay):
    for workload, container in overlay.containers:
        for context, wanted in (
            (workload.pod.get("securityContext", {}), LOCKED_POD),
            (container.get("securityContext", {}), LOCKED_CONTAINER),
        ):
            for key, is_right in wanted.items():
                if not is_right(context.get(key)):
                    yield f"{workload.name}: securityContext.{key} is {context.get(key)}"
        if "securityContext" in container and container["securityContext"].keys() - LOCKED_CONTAINER.keys():
            yield f"{workload.name}: the container overrides the securityContext of its pod"


@rule
def every_image_has_a_fixed_tag(overlay):
    for workload, container in overlay.containers:
        _, _, tag = container["image"].split("/")[-1].partition(":")
        if tag in ("", "latest"):
            yield f"{workload.name}: image {container['image']} has no fixed tag"
        if container.get("imagePullPolicy") != "IfNotPresent":
            yield f"{workload.name}: imagePullPolicy is {container.get('imagePullPolicy')}"


@rule
def no_pod_gets_a_token_or_service_links(overlay):
    for workload in overlay.workloads:
        account = overlay.find("ServiceAccount", workload.pod.get("serviceAccountName"))
        if account is None:
            yield f"{workload.name}: has no ServiceAccount of its own"
        for holder in (workload.pod, account or {}):
            if holder.get("automountServiceAccountToken") is not False:
                yield f"{workload.name}: a token is mounted"
        if workload.pod.get("enableServiceLinks") is not False:
            yield f"{workload.name}: enableServiceLinks can set variables that are settings"


@rule
def the_namespace_enforces_pod_security(overlay):
    for namespace in overlay.of_kind("Namespace"):
        level = namespace["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce")
        if level != "restricted":
            yield f"{namespace['metadata']['name']}: enforces pod security {level}"


@rule
def everything_is_in_the_namespace_fluxgate(overlay):
    if overlay.find("Namespace", "fluxgate") is None:
        yield "the namespace does not exist"
    for entry in overlay.objects:
        if entry["kind"] != "Namespace" and entry["metadata"].get("namespace") != "fluxgate":
            yield f"{entry['kind']} {entry['metadata']['name']} is in another namespace"

"""When a copy has started, takes traffic, and is alive."""

from . import rule

PROBES = {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}


def services(overlay):
    return [(workload, container) for workload, container in overlay.containers if workload.runs_for_ever]


@rule
def every_service_is_probed(overlay):
    for workload, container in services(overlay):
        for probe, path in PROBES.items():
            asked = container.get(probe, {}).get("httpGet", {})
            if asked.get("path") != path:
                yield f"{workload.name}: {probe} asks {asked.get('path')}, not {path}"
            if workload.port(asked.get("port")) is None:
                yield f"{workload.name}: {probe} asks a port that no container has"


@rule
def every_service_listens_where_it_is_asked(overlay):
    for workload, container in services(overlay):
        address = overlay.setting(container, "HTTP_ADDR") or ""
        host, _, port = address.rpartition(":")
        if host != "0.0.0.0" or workload.port("http") != int(port or 0):
            yield f"{workload.name}: HTTP_ADDR is {address}, its port http {workload.port('http')}"


@rule
def nothing_is_killed_before_its_stores_had_time_to_appear(overlay):
    # A store that is missing makes a copy unready, never dead.
    for workload, container in services(overlay):
        for probe in ("startupProbe", "livenessProbe"):
            details = container.get(probe, {})
            patience = details.get("periodSeconds", 10) * details.get("failureThreshold", 3)
            if patience < 60:
                yield f"{workload.name}: {probe} gives up after {patience} s"

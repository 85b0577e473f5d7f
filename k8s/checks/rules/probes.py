"""When a copy has started, takes traffic, and is alive."""

from . import rule

# Which setting says where a port is listened at. A worker has no callers but those who watch.
PORTS = {"ingest-api": {"HTTP_ADDR": "http", "OPS_ADDR": "ops"}, "inventory-worker": {"HTTP_ADDR": "ops"}}
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
            if asked.get("port") != "ops":
                yield f"{workload.name}: {probe} asks at {asked.get('port')}, where it may wait behind buyers"


@rule
def every_service_listens_where_it_is_asked(overlay):
    for workload, container in services(overlay):
        for setting, port in PORTS.get(workload.name, {}).items():
            address = overlay.setting(container, setting)
            if address != f"0.0.0.0:{workload.port(port)}":
                yield f"{workload.name}: {setting} is {address}, its port {port} {workload.port(port)}"


@rule
def nothing_is_killed_before_its_stores_had_time_to_appear(overlay):
    # A store that is missing makes a copy unready, never dead.
    for workload, container in services(overlay):
        for probe in ("startupProbe", "livenessProbe"):
            details = container.get(probe, {})
            patience = details.get("periodSeconds", 10) * details.get("failureThreshold", 3)
            if patience < 60:
                yield f"{workload.name}: {probe} gives up after {patience} s"

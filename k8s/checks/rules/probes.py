"""Probes and listeners of the services."""

from . import rule

# The settings with the address of each port. A worker has only its ops port.
PORTS = {"ingest-api": {"HTTP_ADDR": "http", "OPS_ADDR": "ops"}, "inventory-worker": {"HTTP_ADDR": "ops"}}
PROBES = {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}


def services(overlay):
    return [(workload, container) for workload, container in overlay.containers if workload.is_a_service]


@rule
def every_service_has_probes(overlay):
    for workload, container in services(overlay):
        for probe, path in PROBES.items():
            asked = container.get(probe, {}).get("httpGet", {})
            if asked.get("path") != path:
                yield f"{workload.name}: {probe} requests {asked.get('path')}, not {path}"
            if asked.get("port") != "ops":
                yield f"{workload.name}: {probe} uses port {asked.get('port')}, where it can wait behind orders"


@rule
def every_service_listens_on_its_declared_ports(overlay):
    for workload, container in services(overlay):
        for setting, port in PORTS.get(workload.name, {}).items():
            address = overlay.setting(container, setting)
            if address != f"0.0.0.0:{workload.port(port)}":
                yield f"{workload.name}: {setting} is {address}, but port {port} is {workload.port(port)}"


@rule
def probes_tolerate_slow_stores(overlay):
    # A missing store makes a pod unready. It must not kill the pod.
    for workload, container in services(overlay):
        for probe in ("startupProbe", "livenessProbe"):
            details = container.get(probe, {})
            tolerance = details.get("periodSeconds", 10) * details.get("failureThreshold", 3)
            if tolerance < 60:
                yield f"{workload.name}: {probe} fails after {tolerance} s"

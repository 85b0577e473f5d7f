"""Network policies: who may connect to whom."""

from . import rule

# The port that a setting needs for egress. Those of Kafka are in KAFKA_BROKERS.
STORE_PORTS = {"REDIS_URL": 6379, "DATABASE_URL": 5432, "READ_DATABASE_URL": 5432}
COLLECTOR_PORT = 4318  # OTLP over HTTP
# The clients of each service: the role of their namespace, and the port.
CALLERS = {"ingest-api": {("ingress", "http"), ("monitoring", "ops")}, "inventory-worker": {("monitoring", "ops")}}


def policies_of(overlay, workload):
    return [
        policy["spec"]
        for policy in overlay.of_kind("NetworkPolicy")
        if workload in overlay.selected_by(policy["spec"]["podSelector"])
    ]


def egress_ports(overlay, workload) -> set:
    return {
        port["port"]
        for policy in policies_of(overlay, workload)
        for way in policy.get("egress", [])
        for port in way.get("ports", ["every port"])
    }


@rule
def network_policies_deny_by_default(overlay):
    policy = overlay.find("NetworkPolicy", "default-deny")
    if policy is None or policy["spec"] != {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}:
        yield "no policy denies all traffic"
    for policy in overlay.of_kind("NetworkPolicy"):
        spec = policy["spec"]
        for way in spec.get("ingress", []) + spec.get("egress", []):
            if not way.get("ports"):
                yield f"{policy['metadata']['name']}: allows every port"
        if any(not way.get("from") for way in spec.get("ingress", [])):
            yield f"{policy['metadata']['name']}: allows all sources"
        if not overlay.selected_by(spec["podSelector"]):
            yield f"{policy['metadata']['name']}: selects no pods"


@rule
def every_program_can_reach_its_stores(overlay):
    for workload, container in overlay.containers:
        settings = overlay.settings_of(container)
        needed = {53} | {port for name, port in STORE_PORTS.items() if name in settings}
        needed |= {int(broker.rpartition(":")[2]) for broker in settings.get("KAFKA_BROKERS", "").split(",") if broker}
        program = overlay.program_of(container)
        if workload.is_a_service and program and "OTEL_EXPORTER_OTLP_ENDPOINT" in program.settings:
            needed.add(COLLECTOR_PORT)
        for port in sorted(needed - egress_ports(overlay, workload)):
            yield f"{workload.name}: no policy allows egress to port {port}"


def allowed_clients(overlay, workload) -> set:
    return {
        (peer.get("namespaceSelector", {}).get("matchLabels", {}).get("fluxgate-role"), port["port"])
        for policy in policies_of(overlay, workload)
        for way in policy.get("ingress", [])
        for peer in way.get("from", [])
        for port in way.get("ports", [])
    }


@rule
def ingress_and_monitoring_reach_only_their_ports(overlay):
    for workload in overlay.workloads:
        allowed, wanted = allowed_clients(overlay, workload), CALLERS.get(workload.name, set())
        for role, port in sorted(allowed - wanted, key=str):
            yield f"{workload.name}: allows {role} at {port}"
        for role, port in sorted(wanted - allowed):
            yield f"{workload.name}: does not allow {role} at {port}"
        for _, port in allowed:
            if workload.port(port) is None:
                yield f"{workload.name}: allows port {port}, which it does not have"

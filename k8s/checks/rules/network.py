"""Who may talk to whom."""

from . import rule

# Which way out a setting needs, beside Kafka's, whose ports stand in the setting itself.
STORE_PORTS = {"REDIS_URL": 6379, "DATABASE_URL": 5432, "READ_DATABASE_URL": 5432}
COLLECTOR_PORT = 4318  # OTLP over HTTP
# Who calls what: the role of a namespace, and the port that it is let in at.
CALLERS = {"ingest-api": {("ingress", "http"), ("monitoring", "ops")}, "inventory-worker": {("monitoring", "ops")}}


def policies_of(overlay, workload):
    return [
        policy["spec"]
        for policy in overlay.of_kind("NetworkPolicy")
        if workload in overlay.selected_by(policy["spec"]["podSelector"])
    ]


def ways_out(overlay, workload) -> set:
    return {
        port["port"]
        for policy in policies_of(overlay, workload)
        for way in policy.get("egress", [])
        for port in way.get("ports", ["every port"])
    }


@rule
def nothing_is_allowed_that_no_policy_names(overlay):
    policy = overlay.find("NetworkPolicy", "default-deny")
    if policy is None or policy["spec"] != {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}:
        yield "there is no policy that denies everything"
    for policy in overlay.of_kind("NetworkPolicy"):
        spec = policy["spec"]
        for way in spec.get("ingress", []) + spec.get("egress", []):
            if not way.get("ports"):
                yield f"{policy['metadata']['name']}: allows every port"
        if any(not way.get("from") for way in spec.get("ingress", [])):
            yield f"{policy['metadata']['name']}: lets everybody in"
        if not overlay.selected_by(spec["podSelector"]):
            yield f"{policy['metadata']['name']}: finds no pods"


@rule
def every_program_may_reach_what_it_is_told_of(overlay):
    for workload, container in overlay.containers:
        told = overlay.settings_of(container)
        needed = {53} | {port for name, port in STORE_PORTS.items() if name in told}
        needed |= {int(broker.rpartition(":")[2]) for broker in told.get("KAFKA_BROKERS", "").split(",") if broker}
        program = overlay.program_of(container)
        if workload.runs_for_ever and program and "OTEL_EXPORTER_OTLP_ENDPOINT" in program.settings:
            needed.add(COLLECTOR_PORT)
        for port in sorted(needed - ways_out(overlay, workload)):
            yield f"{workload.name}: no policy lets it out to port {port}"


def ways_in(overlay, workload) -> set:
    return {
        (peer.get("namespaceSelector", {}).get("matchLabels", {}).get("fluxgate-role"), port["port"])
        for policy in policies_of(overlay, workload)
        for way in policy.get("ingress", [])
        for peer in way.get("from", [])
        for port in way.get("ports", [])
    }


@rule
def buyers_and_watchers_are_let_in_each_at_their_port(overlay):
    for workload in overlay.workloads:
        let_in, wanted = ways_in(overlay, workload), CALLERS.get(workload.name, set())
        for role, port in sorted(let_in - wanted, key=str):
            yield f"{workload.name}: lets in {role} at {port}"
        for role, port in sorted(wanted - let_in):
            yield f"{workload.name}: does not let in {role} at {port}"
        for _, port in let_in:
            if workload.port(port) is None:
                yield f"{workload.name}: lets in at a port {port} that it has not"

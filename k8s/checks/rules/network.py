"""Who may talk to whom."""

from . import rule

# Which way out a setting needs, beside Kafka's, whose ports stand in the setting itself.
STORE_PORTS = {"REDIS_URL": 6379, "DATABASE_URL": 5432, "READ_DATABASE_URL": 5432}
COLLECTOR_PORTS = {4317, 4318}


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
            needed |= COLLECTOR_PORTS
        for port in sorted(needed - ways_out(overlay, workload)):
            yield f"{workload.name}: no policy lets it out to port {port}"


@rule
def only_the_services_are_called(overlay):
    callers = {"ingest-api": {"ingress", "monitoring"}, "inventory-worker": {"monitoring"}}
    for workload in overlay.workloads:
        roles = set()
        for policy in policies_of(overlay, workload):
            for way in policy.get("ingress", []):
                for port in way.get("ports", []):
                    if workload.port(port["port"]) is None:
                        yield f"{workload.name}: is let in at a port {port['port']} that it has not"
                for peer in way.get("from", []):
                    selector = peer.get("namespaceSelector", {})
                    roles |= {selector.get("matchLabels", {}).get("fluxgate-role")} - {None}
                    roles |= {value for term in selector.get("matchExpressions", []) for value in term["values"]}
        if roles != callers.get(workload.name, set()):
            yield f"{workload.name}: is called by {sorted(roles)}"

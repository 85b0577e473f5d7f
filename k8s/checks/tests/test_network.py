from checks.rules import network
from checks.tests import Broken


class Network(Broken):
    def policy(self, name):
        return self.entry("NetworkPolicy", name)["spec"]

    def test_a_namespace_without_default_deny(self):
        self.remove("NetworkPolicy", "default-deny")
        self.assert_found(network.network_policies_deny_by_default, "no policy denies all traffic")

    def test_egress_to_every_port(self):
        self.policy("ingest-api")["egress"] = [{}]
        self.assert_found(network.network_policies_deny_by_default, "ingest-api: allows every port")

    def test_ingress_from_every_source(self):
        del self.policy("inventory-worker")["ingress"][0]["from"]
        self.assert_found(network.network_policies_deny_by_default, "inventory-worker: allows all sources")

    def test_a_policy_without_pods(self):
        self.policy("reconciler")["podSelector"] = {"matchLabels": {"app": "audit"}}
        self.assert_found(network.network_policies_deny_by_default, "reconciler: selects no pods")

    def test_an_api_that_cannot_reach_redis(self):
        ports = self.policy("ingest-api")["egress"][0]["ports"]
        ports[:] = [port for port in ports if port["port"] != 6379]
        self.assert_found(network.every_program_can_reach_its_stores, "ingest-api: no policy allows egress to port 6379")

    def test_brokers_on_a_blocked_port(self):
        self.settings("shared")["KAFKA_BROKERS"] = "kafka:19092"
        self.assert_found(network.every_program_can_reach_its_stores, "no policy allows egress to port 19092")

    def test_pods_without_dns(self):
        self.remove("NetworkPolicy", "names")
        self.assert_found(network.every_program_can_reach_its_stores, "migration: no policy allows egress to port 53")

    def test_a_worker_that_the_ingress_can_reach(self):
        caller = self.policy("inventory-worker")["ingress"][0]["from"][0]
        caller["namespaceSelector"]["matchLabels"]["fluxgate-role"] = "ingress"
        self.assert_found(network.ingress_and_monitoring_reach_only_their_ports, "inventory-worker: allows ingress at ops")

    def test_metrics_that_the_ingress_can_reach(self):
        self.policy("ingest-api")["ingress"][0]["ports"].append({"port": "ops"})
        self.assert_found(network.ingress_and_monitoring_reach_only_their_ports, "ingest-api: allows ingress at ops")

    def test_an_api_that_monitoring_cannot_reach(self):
        self.policy("ingest-api")["ingress"].pop()
        self.assert_found(network.ingress_and_monitoring_reach_only_their_ports, "does not allow monitoring at ops")

    def test_ingress_to_a_port_that_does_not_exist(self):
        self.policy("ingest-api")["ingress"][0]["ports"][0]["port"] = 80
        self.assert_found(network.ingress_and_monitoring_reach_only_their_ports, "allows port 80, which it does not have")

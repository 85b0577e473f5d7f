from checks.rules import network
from checks.tests import Broken


class Network(Broken):
    def policy(self, name):
        return self.entry("NetworkPolicy", name)["spec"]

    def test_a_namespace_that_allows_what_nobody_named(self):
        self.remove("NetworkPolicy", "default-deny")
        self.assert_found(network.nothing_is_allowed_that_no_policy_names, "no policy that denies everything")

    def test_a_way_out_to_every_port(self):
        self.policy("ingest-api")["egress"] = [{}]
        self.assert_found(network.nothing_is_allowed_that_no_policy_names, "ingest-api: allows every port")

    def test_a_way_in_for_everybody(self):
        del self.policy("inventory-worker")["ingress"][0]["from"]
        self.assert_found(network.nothing_is_allowed_that_no_policy_names, "inventory-worker: lets everybody in")

    def test_a_policy_for_nobody(self):
        self.policy("reconciler")["podSelector"] = {"matchLabels": {"app": "audit"}}
        self.assert_found(network.nothing_is_allowed_that_no_policy_names, "reconciler: finds no pods")

    def test_an_api_that_may_not_reach_redis(self):
        ports = self.policy("ingest-api")["egress"][0]["ports"]
        ports[:] = [port for port in ports if port["port"] != 6379]
        self.assert_found(network.every_program_may_reach_what_it_is_told_of, "ingest-api: no policy lets it out to port 6379")

    def test_brokers_at_a_port_that_nobody_may_reach(self):
        self.settings("shared")["KAFKA_BROKERS"] = "kafka:19092"
        self.assert_found(network.every_program_may_reach_what_it_is_told_of, "no policy lets it out to port 19092")

    def test_pods_that_may_not_ask_for_names(self):
        self.remove("NetworkPolicy", "names")
        self.assert_found(network.every_program_may_reach_what_it_is_told_of, "migration: no policy lets it out to port 53")

    def test_a_worker_that_buyers_may_call(self):
        caller = self.policy("inventory-worker")["ingress"][0]["from"][0]
        caller["namespaceSelector"]["matchLabels"]["fluxgate-role"] = "ingress"
        self.assert_found(network.buyers_and_watchers_are_let_in_each_at_their_port, "inventory-worker: lets in ingress at ops")

    def test_an_api_whose_metrics_buyers_may_read(self):
        self.policy("ingest-api")["ingress"][0]["ports"].append({"port": "ops"})
        self.assert_found(network.buyers_and_watchers_are_let_in_each_at_their_port, "ingest-api: lets in ingress at ops")

    def test_an_api_that_nobody_may_watch(self):
        self.policy("ingest-api")["ingress"].pop()
        self.assert_found(network.buyers_and_watchers_are_let_in_each_at_their_port, "does not let in monitoring at ops")

    def test_a_way_in_to_a_port_that_is_not_there(self):
        self.policy("ingest-api")["ingress"][0]["ports"][0]["port"] = 80
        self.assert_found(network.buyers_and_watchers_are_let_in_each_at_their_port, "at a port 80 that it has not")

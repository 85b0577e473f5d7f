from checks.rules import targets
from checks.tests import Broken


class Targets(Broken):
    def test_a_service_that_finds_no_pods(self):
        self.entry("Service", "ingest-api")["spec"]["selector"] = {"app": "ingestion-api"}
        self.assert_found(targets.every_service_finds_pods_and_their_port, "the Service finds []")

    def test_a_service_with_a_port_that_no_pod_has(self):
        self.entry("Service", "ingest-api")["spec"]["ports"][0]["targetPort"] = 80
        self.assert_found(targets.every_service_finds_pods_and_their_port, "the pods have no port 80")

    def test_a_deployment_with_another_s_label(self):
        self.overlay.workload("inventory-worker").labels["app"] = "worker"
        self.assert_found(targets.every_deployment_is_labelled_with_its_name, "its label app is worker")

    def test_a_deployment_that_is_not_there(self):
        self.remove("Deployment", "inventory-worker")
        self.assert_found(targets.both_services_exist, "there is no Deployment inventory-worker")

    def test_a_disruption_budget_that_lets_all_pods_go(self):
        self.entry("PodDisruptionBudget", "ingest-api")["spec"]["maxUnavailable"] = "100%"
        self.assert_found(targets.every_disruption_budget_lets_one_pod_go, "lets 100% pods go")

    def test_a_disruption_budget_of_nobody(self):
        self.entry("PodDisruptionBudget", "ingest-api")["spec"]["selector"]["matchLabels"]["app"] = "api"
        self.assert_found(targets.every_disruption_budget_lets_one_pod_go, "finds other pods")

    def test_copies_that_may_share_a_zone(self):
        self.pod()["topologySpreadConstraints"].pop()
        self.assert_found(targets.copies_are_spread_over_nodes_and_zones, "not spread over nodes and zones")

    def test_copies_that_would_rather_not_run_than_share_a_node(self):
        self.pod()["topologySpreadConstraints"][0]["whenUnsatisfiable"] = "DoNotSchedule"
        self.assert_found(targets.copies_are_spread_over_nodes_and_zones, "stays pending")

    def test_copies_that_are_spread_among_others(self):
        self.pod()["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]["app"] = "inventory-worker"
        self.assert_found(targets.copies_are_spread_over_nodes_and_zones, "spread among other pods")

    def test_metrics_that_prometheus_does_not_find(self):
        self.entry("Service", "inventory-worker")["spec"]["ports"][0]["name"] = "metrics"
        self.assert_found(targets.prometheus_finds_the_metrics_of_both_services, "find ['ingest-api']")

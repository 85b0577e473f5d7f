from checks.rules import targets
from checks.tests import Broken


class Targets(Broken):
    def test_a_service_that_selects_no_pods(self):
        self.entry("Service", "ingest-api")["spec"]["selector"] = {"app": "ingestion-api"}
        self.assert_found(targets.every_service_selects_pods_and_their_port, "the Service selects []")

    def test_a_service_with_an_unknown_port(self):
        self.entry("Service", "ingest-api")["spec"]["ports"][0]["targetPort"] = 80
        self.assert_found(targets.every_service_selects_pods_and_their_port, "the pods have no port 80")

    def test_a_deployment_with_another_label(self):
        self.overlay.workload("inventory-worker").labels["app"] = "worker"
        self.assert_found(targets.every_deployment_is_labelled_with_its_name, "its label app is worker")

    def test_a_missing_deployment(self):
        self.remove("Deployment", "inventory-worker")
        self.assert_found(targets.both_services_are_complete, "there is no Deployment inventory-worker")

    def test_a_disruption_budget_that_allows_all_evictions(self):
        self.entry("PodDisruptionBudget", "ingest-api")["spec"]["maxUnavailable"] = "100%"
        self.assert_found(targets.every_disruption_budget_allows_one_eviction, "allows 100% evictions")

    def test_a_disruption_budget_of_other_pods(self):
        self.entry("PodDisruptionBudget", "ingest-api")["spec"]["selector"]["matchLabels"]["app"] = "api"
        self.assert_found(targets.every_disruption_budget_allows_one_eviction, "selects other pods")

    def test_pods_that_are_not_spread_over_zones(self):
        self.pod()["topologySpreadConstraints"].pop()
        self.assert_found(targets.pods_are_spread_over_nodes_and_zones, "not spread over nodes and zones")

    def test_pods_that_stay_pending_rather_than_share_a_node(self):
        self.pod()["topologySpreadConstraints"][0]["whenUnsatisfiable"] = "DoNotSchedule"
        self.assert_found(targets.pods_are_spread_over_nodes_and_zones, "stays pending")

    def test_pods_that_are_spread_with_others(self):
        self.pod()["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]["app"] = "inventory-worker"
        self.assert_found(targets.pods_are_spread_over_nodes_and_zones, "spread with other pods")

    def test_metrics_that_prometheus_does_not_scrape(self):
        self.entry("Service", "inventory-worker")["spec"]["ports"][0]["name"] = "metrics"
        self.assert_found(targets.prometheus_scrapes_both_services, "select ['ingest-api']")

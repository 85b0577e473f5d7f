from checks.rules import shutdown
from checks.tests import Broken


class Shutdown(Broken):
    def test_a_shutdown_longer_than_the_grace_period(self):
        self.settings("ingest-api")["SHUTDOWN_TIMEOUT_SECONDS"] = "60"
        self.assert_found(shutdown.the_grace_period_is_longer_than_the_shutdown, "35 s of grace for 65 s of shutdown")

    def test_a_default_shutdown_longer_than_the_grace_period(self):
        del self.settings("inventory-worker")["SHUTDOWN_TIMEOUT_SECONDS"]
        self.pod("inventory-worker")["terminationGracePeriodSeconds"] = 20
        self.assert_found(shutdown.the_grace_period_is_longer_than_the_shutdown, "20 s of grace for 25 s of shutdown")

    def test_an_api_without_a_pre_stop(self):
        del self.container()["lifecycle"]
        self.assert_found(shutdown.a_terminating_pod_serves_until_its_service_drops_it, "no preStop")

    def test_a_rollout_with_fewer_pods(self):
        self.entry("Deployment", "ingest-api")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = "25%"
        self.assert_found(shutdown.a_rollout_starts_new_pods_first, "maxUnavailable is 25%")

from checks.rules import shutdown
from checks.tests import Broken


class Shutdown(Broken):
    def test_a_longer_drain_than_its_grace(self):
        self.settings("ingest-api")["SHUTDOWN_TIMEOUT_SECONDS"] = "60"
        self.assert_found(shutdown.the_grace_period_is_longer_than_the_shutdown, "35 s of grace for 65 s of shutdown")

    def test_a_default_drain_that_is_longer_than_its_grace(self):
        del self.settings("inventory-worker")["SHUTDOWN_TIMEOUT_SECONDS"]
        self.pod("inventory-worker")["terminationGracePeriodSeconds"] = 20
        self.assert_found(shutdown.the_grace_period_is_longer_than_the_shutdown, "20 s of grace for 25 s of shutdown")

    def test_an_api_that_leaves_at_once(self):
        del self.container()["lifecycle"]
        self.assert_found(shutdown.a_copy_that_leaves_serves_until_nobody_sends_it_anything, "no preStop")

    def test_a_rollout_with_fewer_copies(self):
        self.entry("Deployment", "ingest-api")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = "25%"
        self.assert_found(shutdown.a_rollout_starts_a_new_copy_before_it_ends_an_old_one, "maxUnavailable is 25%")

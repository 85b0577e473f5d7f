from checks.rules import probes
from checks.tests import Broken


class Probes(Broken):
    def test_a_service_without_a_liveness_probe(self):
        del self.container()["livenessProbe"]
        self.assert_found(probes.every_service_is_probed, "livenessProbe asks None")

    def test_a_service_that_is_killed_when_it_is_not_ready(self):
        self.container("inventory-worker")["livenessProbe"]["httpGet"]["path"] = "/readyz"
        self.assert_found(probes.every_service_is_probed, "livenessProbe asks /readyz, not /livez")

    def test_a_probe_that_buyers_can_hold_up(self):
        self.container()["readinessProbe"]["httpGet"]["port"] = "http"
        self.assert_found(probes.every_service_is_probed, "readinessProbe asks at http")

    def test_a_service_that_listens_for_itself_only(self):
        self.settings("ingest-api")["HTTP_ADDR"] = "127.0.0.1:8080"
        self.assert_found(probes.every_service_listens_where_it_is_asked, "HTTP_ADDR is 127.0.0.1:8080")

    def test_a_service_that_listens_elsewhere(self):
        self.settings("inventory-worker")["HTTP_ADDR"] = "0.0.0.0:8080"
        self.assert_found(probes.every_service_listens_where_it_is_asked, "its port ops 8081")

    def test_an_api_without_a_port_for_those_who_watch(self):
        del self.settings("ingest-api")["OPS_ADDR"]
        self.assert_found(probes.every_service_listens_where_it_is_asked, "OPS_ADDR is None, its port ops 9090")

    def test_a_start_that_is_given_ten_seconds(self):
        self.container()["startupProbe"]["failureThreshold"] = 10
        self.assert_found(probes.nothing_is_killed_before_its_stores_had_time_to_appear, "startupProbe gives up after 10 s")

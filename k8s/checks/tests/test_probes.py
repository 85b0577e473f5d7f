from checks.rules import probes
from checks.tests import Broken


class Probes(Broken):
    def test_a_service_without_a_liveness_probe(self):
        del self.container()["livenessProbe"]
        self.assert_found(probes.every_service_has_probes, "livenessProbe requests None")

    def test_a_service_that_is_killed_when_it_is_not_ready(self):
        self.container("inventory-worker")["livenessProbe"]["httpGet"]["path"] = "/readyz"
        self.assert_found(probes.every_service_has_probes, "livenessProbe requests /readyz, not /livez")

    def test_a_probe_on_the_port_of_buyers(self):
        self.container()["readinessProbe"]["httpGet"]["port"] = "http"
        self.assert_found(probes.every_service_has_probes, "readinessProbe uses port http")

    def test_a_service_that_listens_on_loopback(self):
        self.settings("ingest-api")["HTTP_ADDR"] = "127.0.0.1:8080"
        self.assert_found(probes.every_service_listens_on_its_declared_ports, "HTTP_ADDR is 127.0.0.1:8080")

    def test_a_service_that_listens_on_another_port(self):
        self.settings("inventory-worker")["HTTP_ADDR"] = "0.0.0.0:8080"
        self.assert_found(probes.every_service_listens_on_its_declared_ports, "but port ops is 8081")

    def test_an_api_without_an_ops_port(self):
        del self.settings("ingest-api")["OPS_ADDR"]
        self.assert_found(probes.every_service_listens_on_its_declared_ports, "OPS_ADDR is None, but port ops is 9090")

    def test_a_startup_probe_of_ten_seconds(self):
        self.container()["startupProbe"]["failureThreshold"] = 10
        self.assert_found(probes.probes_tolerate_slow_stores, "startupProbe fails after 10 s")

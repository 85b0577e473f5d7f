import tempfile
from pathlib import Path
from unittest import mock

from checks import prometheus_rule
from checks.rules import targets
from checks.tests import Broken


class Alerts(Broken):
    def setUp(self):
        super().setUp()
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.source = folder / "alerts.yaml"
        self.enterContext(mock.patch.object(prometheus_rule, "SOURCE", self.source))
        self.enterContext(mock.patch.object(prometheus_rule, "TARGET", folder / "prometheus-rule.yaml"))

    def test_alerts_that_changed_since_the_rule_was_generated(self):
        self.source.write_text("groups: []\n")
        prometheus_rule.write()
        self.assertEqual(list(prometheus_rule.complaints()), [])
        self.source.write_text("groups: [] # none\n")
        self.assertIn("k8s/check --write", next(prometheus_rule.complaints()))

    def test_alerts_without_a_generated_rule(self):
        self.source.write_text("groups: []\n")
        self.assertIn("k8s/check --write", next(prometheus_rule.complaints()))

    def test_alerts_that_are_not_applied(self):
        self.source.write_text("groups: []\n")
        self.overlay.objects = [entry for entry in self.overlay.objects if entry["kind"] != "PrometheusRule"]
        self.assert_found(targets.prometheus_gets_the_alerts, "does not name prometheus-rule.yaml")

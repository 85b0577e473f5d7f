import os
from pathlib import Path

from checks import schemas
from checks.tests import Broken


class Schemas(Broken):
    def first_complaint(self, kind, name, how):
        entry = self.entry(kind, name)
        how(entry)
        self.overlay.objects = [entry]  # validating all objects takes long
        return next(schemas.complaints(self.overlay, Path(os.environ["DEFINITIONS"])))

    def test_a_field_that_kubernetes_does_not_know(self):
        complaint = self.first_complaint("Deployment", "ingest-api", lambda entry: entry["spec"].update(replica=1))
        self.assertIn("'replica' was unexpected", complaint)

    def test_a_value_of_the_wrong_type(self):
        complaint = self.first_complaint("Job", "migration", lambda entry: entry["spec"].update(backoffLimit="often"))
        self.assertIn("backoffLimit: 'often' is not", complaint)

    def test_an_unknown_kind(self):
        complaint = self.first_complaint("ScaledObject", "inventory-worker", lambda entry: entry.update(apiVersion="keda.sh/v1"))
        self.assertIn("Couldn't find schema", complaint)

    def test_a_field_that_keda_does_not_know(self):
        complaint = self.first_complaint("ScaledObject", "inventory-worker", lambda entry: entry["spec"].update(minReplicas=2))
        self.assertIn("'minReplicas' was unexpected", complaint)

    def test_a_value_that_the_prometheus_operator_refuses(self):
        complaint = self.first_complaint(
            "ServiceMonitor", "fluxgate", lambda entry: entry["spec"]["endpoints"][0].update(interval="often")
        )
        self.assertIn("'often' does not match", complaint)

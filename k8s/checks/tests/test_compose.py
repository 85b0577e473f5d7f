import unittest

from checks import compose
from checks.tests import overlays


class Compose(unittest.TestCase):
    def setUp(self):
        self.services = compose.read()

    def assert_found(self, words):
        complaints = list(compose.complaints(self.services, overlays["local"].programs))
        self.assertTrue(any(words in complaint for complaint in complaints), f"{words!r} is not in {complaints}")

    def test_a_variable_that_is_not_a_setting(self):
        self.services["ingest-api"]["environment"]["HTTP_ADRESS"] = "0.0.0.0:8080"
        self.assert_found("ingest-api has no setting HTTP_ADRESS")

    def test_a_required_setting_that_is_missing(self):
        del self.services["inventory-worker"]["environment"]["KAFKA_BROKERS"]
        self.assert_found("inventory-worker: KAFKA_BROKERS is missing")

    def test_an_image_that_is_built_from_another_program(self):
        self.services["migration"]["build"]["target"] = "ingest-api"
        self.assert_found("is built from ['ingest-api'], not once from inventory-worker")

    def test_an_image_that_two_services_build(self):
        self.services["inventory-worker"]["build"] = self.services["migration"]["build"]
        self.assert_found("is built from ['inventory-worker', 'inventory-worker']")

    def test_an_image_without_a_build(self):
        del self.services["demo"]["build"]
        self.assert_found("is built from [], not once from demo")

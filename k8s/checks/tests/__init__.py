"""Tests of the rules: each test breaks a rendered overlay and expects a complaint.

The rules have passed before these tests run, so every complaint comes from the test.
"""

import unittest

overlays = {}
seen_complaining = set()


def use(rendered):
    overlays.update({overlay.name: overlay for overlay in rendered})


class Broken(unittest.TestCase):
    overlay_name = "production"

    def setUp(self):
        self.overlay = overlays[self.overlay_name].copy()

    def pod(self, name="ingest-api"):
        return self.overlay.workload(name).pod

    def container(self, name="ingest-api"):
        return self.overlay.workload(name).containers[0]

    def entry(self, kind, name):
        """An object, for the test to break."""
        return self.overlay.find(kind, name)

    def settings(self, name):
        """The data of a ConfigMap, whose name ends with a hash."""
        return next(
            entry["data"] for entry in self.overlay.of_kind("ConfigMap") if entry["metadata"]["name"].startswith(f"{name}-settings")
        )

    def remove(self, kind, name):
        self.overlay.objects.remove(self.entry(kind, name))

    def assert_found(self, rule, words):
        complaints = list(rule(self.overlay))
        self.assertTrue(any(words in complaint for complaint in complaints), f"{words!r} is not in {complaints}")
        seen_complaining.add(rule)

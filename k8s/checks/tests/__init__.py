"""What the rules are for: each test breaks a copy of what is rendered, and expects the complaint.

Before they run, every rule has found nothing wrong: whatever is found here was broken here.
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
        """An object, to be broken."""
        return self.overlay.find(kind, name)

    def settings(self, name):
        """Of a ConfigMap, whatever hash its name ends with."""
        return next(
            entry["data"] for entry in self.overlay.of_kind("ConfigMap") if entry["metadata"]["name"].startswith(f"{name}-settings")
        )

    def remove(self, kind, name):
        self.overlay.objects.remove(self.entry(kind, name))

    def assert_found(self, rule, words):
        complaints = list(rule(self.overlay))
        self.assertTrue(any(words in complaint for complaint in complaints), f"{words!r} is not in {complaints}")
        seen_complaining.add(rule)

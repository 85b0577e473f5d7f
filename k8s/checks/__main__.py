"""Runs all checks. Exit code 1 if one of them complains."""

import argparse
import os
import sys
import unittest
from pathlib import Path

from . import compose, prometheus_rule, schemas, tests
from .overlay import Overlay
from .program import Program
from .rules import RULES

FOLDER = Path(__file__).parents[1]
OVERLAYS = ("local", "production")
PROGRAMS = ("ingest-api", "inventory-worker", "reconciler")


def main() -> int:
    arguments = argparse.ArgumentParser(prog="k8s/check")
    arguments.add_argument("--write", action="store_true", help="first generate the PrometheusRule")
    if arguments.parse_args().write:
        prometheus_rule.write()

    binaries = Path(os.environ["FLUXGATE_BIN_DIR"])
    programs = {name: Program.ask(binaries / name) for name in PROGRAMS}
    overlays = [Overlay.render(os.environ["KUSTOMIZE"], FOLDER / "overlays" / name, programs) for name in OVERLAYS]

    complained = report("the PrometheusRule is generated from monitoring/alerts.yaml", prometheus_rule.complaints())
    complained |= report("docker/compose.yaml uses existing settings and builds each image once", compose.complaints(compose.read(), programs))
    for overlay in overlays:
        sentence = f"{overlay.name}: {len(overlay.objects)} objects match the schemas of Kubernetes {schemas.KUBERNETES} and the operators"
        complained |= report(sentence, schemas.complaints(overlay, Path(os.environ["DEFINITIONS"])))
    for check in RULES:
        found = [f"{overlay.name}: {complaint}" for overlay in overlays for complaint in check(overlay)]
        complained |= report(check.__name__.replace("_", " "), found)
    if complained:
        return 1
    return 0 if every_check_can_fail(overlays) else 1


def report(sentence: str, complaints) -> bool:
    complaints = list(complaints)
    print("WRONG" if complaints else "ok   ", sentence)
    for complaint in complaints:
        print("       ", complaint)
    return bool(complaints)


def every_check_can_fail(overlays) -> bool:
    """Runs the tests that break the overlays. Every rule must complain in one of them."""
    print("\ntests of the rules:", flush=True)
    tests.use(overlays)
    suite = unittest.defaultTestLoader.discover(str(FOLDER / "checks/tests"), top_level_dir=str(FOLDER))
    passed = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(suite).wasSuccessful()
    never_seen = [check.__name__ for check in RULES if check not in tests.seen_complaining]
    return not report("every rule has complained in a test", never_seen) and passed


if __name__ == "__main__":
    sys.exit(main())

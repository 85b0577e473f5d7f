"""The PrometheusRule, generated from monitoring/alerts.yaml."""

import textwrap
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "monitoring/alerts.yaml"
TARGET = REPOSITORY / "k8s/overlays/production/prometheus/prometheus-rule.yaml"
HEAD = """\
# Generated from monitoring/alerts.yaml by `k8s/check --write`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: fluxgate
spec:
"""


def wrapped(rules: str) -> str:
    return HEAD + textwrap.indent(rules, "  ")


def write():
    TARGET.write_text(wrapped(SOURCE.read_text()))


def is_due() -> bool:
    return SOURCE.exists()


def complaints():
    if is_due() and (not TARGET.exists() or TARGET.read_text() != wrapped(SOURCE.read_text())):
        yield f"{TARGET.name} is not generated from {SOURCE.name}: run k8s/check --write"

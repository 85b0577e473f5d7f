"""Secrets are in Secrets, and only there."""

import re
from pathlib import Path

from . import rule

README = Path(__file__).parents[2] / "README.md"
URL_WITH_PASSWORD = re.compile(r"://[^/\s]*:[^/\s]*@")


@rule
def no_secret_is_in_a_config_map(overlay):
    # The programs hide the values of these settings in --help.
    hidden = frozenset().union(*(program.secrets for program in overlay.programs.values()))
    for config_map in overlay.of_kind("ConfigMap"):
        for name, value in config_map["data"].items():
            if name in hidden or URL_WITH_PASSWORD.search(value):
                yield f"{config_map['metadata']['name']}: {name} belongs in a Secret"


@rule
def no_secret_is_in_a_deployment(overlay):
    for workload, container in overlay.containers:
        program = overlay.program_of(container)
        for variable in container.get("env", []):
            if program and variable["name"] in program.secrets and "value" in variable:
                yield f"{workload.name}: {variable['name']} belongs in a Secret"


@rule
def the_local_overlay_contains_its_secrets(overlay):
    if overlay.name != "local":
        return
    for workload, reference in overlay.secret_references():
        secret = overlay.find("Secret", reference["name"])
        if not reference.get("optional") and reference["key"] not in (secret or {}).get("data", {}):
            yield f"{workload.name}: no key {reference['key']} in a Secret {reference['name']}"


@rule
def the_production_overlay_contains_no_secret(overlay):
    if overlay.name == "production":
        for secret in overlay.of_kind("Secret"):
            yield f"{secret['metadata']['name']}: a secret of production is in the repository"


@rule
def the_readme_creates_every_secret_of_production(overlay):
    if overlay.name != "production":
        return
    commands = README.read_text().replace("\\\n", " ").splitlines()
    for workload, reference in overlay.secret_references():
        made = (line for line in commands if f"create secret generic {reference['name']} " in line)
        if not any(f"--from-literal={reference['key']}=" in line for line in made):
            yield f"{workload.name}: README.md creates no key {reference['key']} in a Secret {reference['name']}"

"""docker/compose.yaml: what the services there are given are settings of the programs in their images."""

from pathlib import Path

import yaml

SOURCE = Path(__file__).parents[2] / "docker/compose.yaml"


def read() -> dict[str, dict]:
    return yaml.safe_load(SOURCE.read_text())["services"]


def complaints(services, programs):
    """The demo is none of the programs: it is given what the services are given."""
    for name, service in services.items():
        program = programs.get(service["image"].split("/")[-1].split(":")[0])
        if program is None:
            continue
        if service["build"]["target"] != program.name:
            yield f"{name}: {service['image']} is built from {service['build']['target']}"
        for setting in service["environment"].keys() - program.settings:
            yield f"{name}: {program.name} knows no setting {setting}"
        for setting in program.required - service["environment"].keys():
            yield f"{name}: {setting} is missing"

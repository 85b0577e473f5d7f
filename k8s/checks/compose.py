"""docker/compose.yaml: settings and builds of the services."""

from pathlib import Path

import yaml

SOURCE = Path(__file__).parents[2] / "docker/compose.yaml"


def read() -> dict[str, dict]:
    return yaml.safe_load(SOURCE.read_text())["services"]


def complaints(services, programs):
    yield from complaints_of_settings(services, programs)
    yield from complaints_of_builds(services)


def complaints_of_settings(services, programs):
    """The demo is not checked: it has the settings of the services."""
    for name, service in services.items():
        program = programs.get(service["image"].split("/")[-1].split(":")[0])
        if program is None:
            continue
        for setting in service["environment"].keys() - program.settings:
            yield f"{name}: {program.name} has no setting {setting}"
        for setting in program.required - service["environment"].keys():
            yield f"{name}: {setting} is missing"


def complaints_of_builds(services):
    """One service builds each of our images: two concurrent builds of one tag fail."""
    for image in sorted({service["image"] for service in services.values() if service["image"].startswith("fluxgate/")}):
        program = image.split("/")[-1].split(":")[0]
        targets = [service["build"]["target"] for service in services.values() if service["image"] == image and "build" in service]
        if targets != [program]:
            yield f"{image}: is built from {targets}, not once from {program}"

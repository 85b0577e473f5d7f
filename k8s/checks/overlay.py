"""A rendered overlay, and lookups in it."""

import copy
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from .program import Program
from .workload import Workload

WORKLOADS = ("Deployment", "Job", "CronJob")


@dataclass
class Overlay:
    name: str
    objects: list[dict]
    programs: dict[str, Program]

    @classmethod
    def render(cls, kustomize: str, folder: Path, programs: dict[str, Program]) -> "Overlay":
        command = [*shlex.split(kustomize), str(folder)]
        rendered = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        return cls(folder.name, list(yaml.safe_load_all(rendered)), programs)

    def copy(self) -> "Overlay":
        return Overlay(self.name, copy.deepcopy(self.objects), self.programs)

    def of_kind(self, *kinds: str) -> list[dict]:
        return [entry for entry in self.objects if entry["kind"] in kinds]

    def find(self, kind: str, name: str) -> dict | None:
        return next((entry for entry in self.of_kind(kind) if entry["metadata"]["name"] == name), None)

    @property
    def workloads(self) -> list[Workload]:
        return [Workload(entry) for entry in self.of_kind(*WORKLOADS)]

    def workload(self, name: str) -> Workload:
        return next(workload for workload in self.workloads if workload.name == name)

    @property
    def containers(self) -> list[tuple[Workload, dict]]:
        return [(workload, container) for workload in self.workloads for container in workload.containers]

    def program_of(self, container: dict) -> Program | None:
        """Images are named after their program."""
        return self.programs.get(container["image"].split("/")[-1].split(":")[0])

    def settings_of(self, container: dict) -> dict[str, str | None]:
        """Environment variables by name; None if the value is in a Secret."""
        settings: dict[str, str | None] = {}
        for source in container.get("envFrom", []):
            config_map = self.find("ConfigMap", source.get("configMapRef", {}).get("name"))
            settings.update(config_map["data"] if config_map else {})
        for variable in container.get("env", []):
            settings[variable["name"]] = variable.get("value")
        return settings

    def setting(self, container: dict, name: str) -> str | None:
        """The value that the program uses: from the container, else the default."""
        program = self.program_of(container)
        return self.settings_of(container).get(name) or (program.defaults.get(name) if program else None)

    def secret_references(self) -> list[tuple[Workload, dict]]:
        """Every key of a Secret that a container references."""
        return [
            (workload, variable["valueFrom"]["secretKeyRef"])
            for workload, container in self.containers
            for variable in container.get("env", [])
            if "secretKeyRef" in variable.get("valueFrom", {})
        ]

    def selected_by(self, selector: dict) -> list[Workload]:
        """The workloads whose pods `matchLabels` selects; an empty one selects all."""
        wanted = selector.get("matchLabels", {}).items()
        return [workload for workload in self.workloads if wanted <= workload.labels.items()]

"""Deployments, Jobs and CronJobs, with one interface."""

from dataclasses import dataclass

QUANTITIES = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "": 1}


def quantity(text) -> float:
    """`250m`, `1` or `256Mi` as a number."""
    text = str(text)
    digits = text.rstrip("mKMGi")
    return float(digits) * QUANTITIES[text[len(digits):]]


@dataclass(frozen=True)
class Workload:
    object: dict

    @property
    def kind(self) -> str:
        return self.object["kind"]

    @property
    def name(self) -> str:
        return self.object["metadata"]["name"]

    @property
    def is_a_service(self) -> bool:
        return self.kind == "Deployment"

    @property
    def job(self) -> dict:
        """The spec of the Job."""
        spec = self.object["spec"]
        return spec["jobTemplate"]["spec"] if self.kind == "CronJob" else spec

    @property
    def template(self) -> dict:
        return self.job["template"]

    @property
    def labels(self) -> dict:
        return self.template["metadata"].get("labels", {})

    @property
    def pod(self) -> dict:
        return self.template["spec"]

    @property
    def containers(self) -> list[dict]:
        return self.pod.get("initContainers", []) + self.pod["containers"]

    def port(self, name_or_number) -> int | None:
        """The number of a container port."""
        for container in self.containers:
            for port in container.get("ports", []):
                if name_or_number in (port["containerPort"], port.get("name")):
                    return port["containerPort"]
        return None

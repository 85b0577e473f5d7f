"""Validation against the schemas of Kubernetes and of the operators."""

from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.34"


def complaints(overlay, folder: Path):
    """`folder` contains the CustomResourceDefinitions."""
    custom = read_definitions(folder)
    for entry in overlay.objects:
        name = f"{entry['kind']} {entry['metadata']['name']}"
        schema = custom.get((entry["apiVersion"], entry["kind"]))
        try:
            if schema:
                jsonschema.Draft202012Validator(schema).validate(entry)
            else:
                used = kubernetes_validate.validate(entry, KUBERNETES, strict=True)
                if used != KUBERNETES:
                    yield f"{name}: checked against Kubernetes {used}, not {KUBERNETES}"
        except jsonschema.ValidationError as error:
            yield f"{name}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield f"{name}: {error.message}"


def read_definitions(folder: Path) -> dict[tuple[str, str], dict]:
    """The schemas by apiVersion and kind."""
    schemas = {}
    for file in sorted(folder.glob("*.yaml")):
        spec = yaml.safe_load(file.read_text())["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            forbid_unknown_fields(schema)
            schemas[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return schemas


def forbid_unknown_fields(schema):
    """As `kubectl apply` does. Objects without `properties`, such as labels, accept any field."""
    if isinstance(schema, list):
        for part in schema:
            forbid_unknown_fields(part)
    elif isinstance(schema, dict):
        for part in schema.values():
            forbid_unknown_fields(part)
        if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
            if schema.get("type") == "object":
                schema.setdefault("additionalProperties", False)

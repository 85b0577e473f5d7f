"""The settings of a program, from its `--help`."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

# `[env: NAME=]` is a setting, `[env: NAME]` a setting with a hidden value.
SETTING = re.compile(r"\[env: (?P<name>\w+)(?P<shown>=)?[^\]]*\](?:\s+\[default: (?P<default>[^\]]*)\])?")
REQUIRED = re.compile(r"(?<!\[)--[\w-]+ <(\w+)>")


@dataclass(frozen=True)
class Program:
    name: str
    settings: frozenset[str]
    secrets: frozenset[str]
    required: frozenset[str]
    defaults: dict[str, str]

    @classmethod
    def ask(cls, binary: Path) -> "Program":
        if not binary.exists():
            raise SystemExit(f"error: {binary} does not exist; `make build` builds it, FLUXGATE_BIN_DIR is its folder")
        # With an empty environment: --help would print its values.
        answer = subprocess.run([binary, "--help"], env={}, capture_output=True, text=True, check=True)
        return cls.from_help(binary.name, answer.stdout)

    @classmethod
    def from_help(cls, name: str, text: str) -> "Program":
        found = list(SETTING.finditer(text))
        usage = next(line for line in text.splitlines() if line.startswith("Usage:"))
        return cls(
            name=name,
            settings=frozenset(setting["name"] for setting in found),
            secrets=frozenset(setting["name"] for setting in found if not setting["shown"]),
            required=frozenset(REQUIRED.findall(usage)),
            defaults={setting["name"]: setting["default"] for setting in found if setting["default"]},
        )

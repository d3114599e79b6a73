"""Versions of what computes, and the commit of this package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rerankbench.device.facts import Fact, Section
from rerankbench.manifest import environment

SHOWN = ("torch", "transformers", "vllm", "numpy")


def software() -> Section:
    return Section("software", tuple(_facts(environment())))


def _facts(found: dict[str, Any]) -> Iterator[Fact]:
    yield Fact("Python", found["python"])
    packages = found["packages"]
    for name in SHOWN:
        version = packages.get(name) or packages.get(f"{name}-cpu")  # vLLM has a package of its own for processors
        yield Fact(name, version, absent="" if version else "not installed")
    yield Fact("rerankbench", found["rerankbench"])
    commit = found.get("commit")
    changed = " with local changes" if found.get("dirty") else ""
    yield Fact("rerankbench commit", f"{commit}{changed}" if commit else None, absent="" if commit else "not a git checkout")

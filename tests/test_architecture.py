"""Imports point downwards, nothing heavy is needed to import, and the command line starts without it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "eval" / "rerankbench"

# From the ground up. A part may import parts of the rows above its own, and itself.
LAYERS = [
    {"errors"},
    {"records"},
    {"protocols"},
    {"registry", "clock", "hub", "trec", "cutting"},
    {"config", "portable"},
    {"manifest", "prompts", "reference"},
    {"store", "measures", "first_stages", "engines", "rankers", "mteb_results", "mteb_columns"},
    {"benchmarks"},
    {"candidates"},
    {"plan", "report", "timing", "device"},
    {"costs", "limits", "holding"},
    {"experiment", "preview", "golden", "scoring", "mteb_suite"},
    {"marking"},
    {"tables", "rescoring", "mteb_tables"},
    {"stages", "explaining", "latency"},
    {"figures"},
    {"reporting", "load"},
    {"site"},
    {"cli"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
HEAVY = (
    "torch",
    "transformers",
    "sentence_transformers",
    "huggingface_hub",
    "matplotlib",
    "ranx",
    "scipy",
    "vllm",
    "mteb",
    "pyserini",
    "httpx2",
    "jinja2",
    "vl_convert",
)


def _modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__main__.py")


def _part(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0].removesuffix(".py")


def _imported_parts(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written out"
            inside = [f"rerankbench.{alias.name}" for alias in node.names] if node.module == "rerankbench" else []
            names = inside or [node.module or ""]
        found |= {name.split(".")[1] for name in names if name.startswith("rerankbench.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    part = _part(path)
    if part == "__init__":
        assert not _imported_parts(path)
        return
    assert part in LEVEL, f"{part} has no place in the house: give it one in LAYERS"
    upwards = {other for other in _imported_parts(path) - {part} if LEVEL[other] >= LEVEL[part]}
    assert not upwards, f"{path.relative_to(PACKAGE)} imports {sorted(upwards)}, which stand beside or above it"


def test_every_layer_is_used() -> None:
    assert {_part(p) for p in _modules()} - {"__init__"} == set(LEVEL)


BARE_IMPORT = """
import importlib.abc, pkgutil, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HEAVY:
            raise ImportError(f"{name} is not installed")
        return None

sys.meta_path.insert(0, Absent())
import rerankbench
names = [m.name for m in pkgutil.walk_packages(rerankbench.__path__, "rerankbench.") if not m.name.endswith("__main__")]
for name in names:
    __import__(name)
print(len(names))
"""


def _python(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_imports_on_a_bare_machine() -> None:
    assert int(_python(f"HEAVY = {HEAVY!r}\n{BARE_IMPORT}")) >= 40


def test_the_command_line_starts_without_anything_heavy() -> None:
    loaded = _python("import rerankbench.cli.app, sys; print(' '.join(sys.modules))").split()
    assert not {"pandas", "numpy", "pydantic", "ir_measures", "yaml", *HEAVY} & set(loaded)

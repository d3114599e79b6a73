"""The ranker of the README works as it is printed there, and an edit of it makes another run."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rerankbench.benchmarks import Benchmarks
from rerankbench.config import load_experiment
from rerankbench.plan import Planner

README = Path(__file__).parents[2] / "README.md"


def _printed(language: str, first_line: str) -> str:
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    (found,) = (block for block in blocks if block.startswith(first_line))
    return found


def _import(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = folder / "my_rankers.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("my_rankers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "my_rankers", module)
    spec.loader.exec_module(module)
    return module


def test_the_readmes_ranker_has_ten_lines_and_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = _printed("python", "# my_rankers.py")
    assert len([line for line in code.splitlines() if line.strip() and not line.startswith("#")]) <= 10
    ranker = _import(code, tmp_path, monkeypatch).ShortestFirst()
    candidates = Benchmarks(None).open("mini").candidates("bm25", 10)[0]
    (ranked,) = ranker.rank([candidates])
    lengths = {d.id: len(d.contents) for d in candidates.documents}
    assert [lengths[d] for d in ranked.ranking.doc_ids] == sorted(lengths.values())


def test_the_readmes_configuration_plans_and_an_edited_ranker_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = _printed("python", "# my_rankers.py")
    config = tmp_path / "mine.yaml"
    config.write_text(_printed("yaml", "# mine.yaml"), encoding="utf-8")
    folders = set()
    for version in (code, code, code.replace("-len(", "-2 * len(")):
        _import(version, tmp_path, monkeypatch)
        plan = Planner(Benchmarks(None), tmp_path / "runs").plan(load_experiment(str(config)))
        folders |= {p.folder for p in plan if p.cell.system.name == "shortest"}
    assert len(folders) == 2

"""With a cache, what an engine answered once is not asked of it again in another run; and what was taken from there shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from laboratory import Watched, experiment, run, write_mirror
from rerankbench.experiment import Result
from rerankbench.tables import cell_of

EMBEDDING = "{name: e, ranker: {kind: embedding, end_token: ''}, engine: {kind: 'laboratory:Watched'}}"
LISTWISE = "{name: l, ranker: {kind: listwise, window: 3, step: 2}, engine: {kind: scripted, mode: seeded, log: LOG}}"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    Watched.reset()
    return write_mirror(tmp_path / "mirror")


def _answers(result: Result, capability: str) -> dict[str, int]:
    assert result.manifest is not None, result.problem
    found: dict[str, int] = result.manifest["answers"][capability]
    return found


def _order(result: Result) -> bytes:
    assert result.folder is not None
    return (result.folder / "run.trec").read_bytes()


def test_a_second_run_elsewhere_asks_nothing_and_says_so(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, f"[{EMBEDDING}]")
    (first,) = run(asked, mirror, tmp_path / "one", cache=tmp_path / "cache")
    # 2 shared documents, 4 × 3 of their own, 4 prompts
    assert len(Watched.asked) == 2 + 4 * 3 + 4
    (second,) = run(asked, mirror, tmp_path / "two", cache=tmp_path / "cache")
    assert len(Watched.asked) == 18
    assert _answers(first, "embed")["disk"] == 0
    assert _answers(second, "embed")["computed"] == 0
    assert _order(first) == _order(second)
    assert "some answers were kept from earlier runs: times do not count them" in cell_of(second, asked, tmp_path / "two").notes
    assert not any("earlier runs" in note for note in cell_of(first, asked, tmp_path / "one").notes)


def test_a_run_with_kept_answers_is_the_same_run(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, f"[{EMBEDDING}]")
    (plain,) = run(asked, mirror, tmp_path / "runs")
    (cached,) = run(asked, mirror, tmp_path / "runs", cache=tmp_path / "cache")
    assert cached.reused
    assert cached.folder == plain.folder


def test_another_engine_gets_none_of_its_answers(tmp_path: Path, mirror: Path) -> None:
    for seed in (0, 1):
        engine = EMBEDDING.replace("'}}", f"', seed: {seed}}}}}")
        (result,) = run(experiment(tmp_path, f"[{engine}]"), mirror, tmp_path / "runs", cache=tmp_path / "cache")
        assert _answers(result, "embed")["disk"] == 0


def test_generations_are_kept_too(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, f"[{LISTWISE.replace('LOG', str(tmp_path / 'log'))}]")
    (first,) = run(asked, mirror, tmp_path / "one", cache=tmp_path / "cache")
    # Five documents, windows of three moved by two: 2 prompts for each of 4 queries.
    assert (tmp_path / "log").read_text(encoding="utf-8").count("generate") == 8
    (second,) = run(asked, mirror, tmp_path / "two", cache=tmp_path / "cache")
    assert (tmp_path / "log").read_text(encoding="utf-8").count("generate") == 8
    assert _answers(second, "generate") == {"asked": 8, "preloaded": 0, "memory": 0, "disk": 8, "computed": 0}
    assert _order(first) == _order(second)

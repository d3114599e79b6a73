"""Documents that a benchmark excludes are dropped after ranking, before it, or not: numbers by hand, and what is ranked again."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from pathlib import Path

import pytest

from laboratory import EXCLUSIONS, Excluding, TinyBenchmarks, Watched, Watcher, experiment, write_lists, write_mirror
from rerankbench.benchmarks import Benchmarks, load_catalog
from rerankbench.config import Experiment, load_experiment
from rerankbench.errors import MissingData
from rerankbench.experiment import Laboratory, Result
from rerankbench.plan import Planned, Planner
from rerankbench.tables import cell_of

EXCLUDED = "q1 d1\nq3 d2\nq3\td3\n"
WITH = {"q1": 1 / log2(3), "q2": 1.0, "q3": 1 / log2(6)}
"""nDCG@10 of d1 … d5, the relevant one at rank 2, 1 and 5."""
WITHOUT = {"q1": 1.0, "q2": 1.0, "q3": 1 / log2(4)}
"""The same less the excluded ones: the relevant document comes up to rank 1, 1 and 3."""
EMBEDDING = "[{name: e, ranker: {kind: embedding, end_token: ''}, engine: {kind: 'laboratory:Watched'}}]"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    Watched.reset()
    folder = write_mirror(tmp_path / "mirror")
    (folder / "topics_and_qrels" / EXCLUSIONS).write_text(EXCLUDED, encoding="utf-8")
    return folder


def _asked(tmp_path: Path, rule: str, systems: str = "[BM25]", more: str = "") -> Experiment:
    return experiment(tmp_path, systems, f"depth: 5\nexclusions: {rule}\n{more}", name=rule)


def _plan(asked: Experiment, mirror: Path, runs: Path) -> tuple[Planner, Sequence[Planned]]:
    planner = Planner(Excluding(mirror), runs)
    return planner, planner.plan(asked)


def _run(asked: Experiment, mirror: Path, runs: Path) -> Result:
    planner, plan = _plan(asked, mirror, runs)
    (result,) = Laboratory(planner).run(plan, asked, Watcher())
    return result


def _values(result: Result) -> dict[str, float]:
    assert result.problem is None, result.problem
    return {m.query_id: m.value for m in result.measurements}


def _lines(result: Result) -> int:
    assert result.folder is not None
    return len((result.folder / "run.trec").read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(("rule", "expected", "ranked"), [("after", WITHOUT, 20), ("before", WITHOUT, 17), ("none", WITH, 20)])
def test_what_is_excluded_is_ranked_and_counted_as_the_rule_says(
    tmp_path: Path, mirror: Path, rule: str, expected: dict[str, float], ranked: int
) -> None:
    result = _run(_asked(tmp_path, rule), mirror, tmp_path / "runs")
    assert _values(result) == pytest.approx(expected)
    assert _lines(result) == ranked


def test_dropping_before_is_another_run_and_dropping_after_or_not_at_all_the_same(tmp_path: Path, mirror: Path) -> None:
    folders = {rule: _plan(_asked(tmp_path, rule), mirror, tmp_path / "runs")[1][0].folder for rule in ("after", "before", "none")}
    assert folders["after"] == folders["none"]
    assert folders["before"] != folders["after"]
    (mirror / "topics_and_qrels" / EXCLUSIONS).write_text("q1 d1\n", encoding="utf-8")
    (other,) = _plan(_asked(tmp_path, "before"), mirror, tmp_path / "runs")[1]
    assert other.folder != folders["before"]  # it is asked to rank other lists


def test_a_benchmark_without_exclusions_has_one_run_for_all_rules(tmp_path: Path, mirror: Path) -> None:
    folders = {Planner(TinyBenchmarks(mirror), tmp_path).plan(_asked(tmp_path, rule))[0].folder for rule in ("after", "before", "none")}
    assert len(folders) == 1


def test_another_rule_is_measured_without_ranking_again(tmp_path: Path, mirror: Path) -> None:
    first = _run(_asked(tmp_path, "after", EMBEDDING), mirror, tmp_path / "runs")
    Watched.reset()
    second = _run(_asked(tmp_path, "none", EMBEDDING), mirror, tmp_path / "runs")
    assert second.reused
    assert Watched.events == []
    assert _values(second) != _values(first)
    assert _values(_run(_asked(tmp_path, "after", EMBEDDING), mirror, tmp_path / "runs")) == _values(first)


def test_other_exclusions_are_measured_anew(tmp_path: Path, mirror: Path) -> None:
    asked = _asked(tmp_path, "after")
    _run(asked, mirror, tmp_path / "runs")
    (mirror / "topics_and_qrels" / EXCLUSIONS).write_text("q1 d1\n", encoding="utf-8")
    again = _run(asked, mirror, tmp_path / "runs")
    assert again.reused
    assert _values(again) == pytest.approx({**WITH, "q1": 1.0})


def test_a_ranker_sees_excluded_documents_unless_they_are_dropped_before(tmp_path: Path, mirror: Path) -> None:
    _run(_asked(tmp_path, "before", EMBEDDING), mirror, tmp_path / "runs")
    assert not [text for text in Watched.asked if "text 3 of q3" in text]
    assert [text for text in Watched.asked if "text 3 of q1" in text]
    Watched.reset()
    _run(_asked(tmp_path, "after", EMBEDDING), mirror, tmp_path / "runs")
    assert [text for text in Watched.asked if "text 3 of q3" in text]


@pytest.mark.parametrize("rule", ["after", "before"])
def test_unknown_exclusions_are_told_before_anything_is_ranked(tmp_path: Path, mirror: Path, rule: str) -> None:
    (mirror / "topics_and_qrels" / EXCLUSIONS).unlink()
    asked = _asked(tmp_path, rule, EMBEDDING)
    _, (planned,) = _plan(asked, mirror, tmp_path / "runs")
    assert planned.state == "missing"
    assert isinstance(planned.problem, MissingData)
    assert planned.problem.message.startswith("mini excludes documents from some queries, and which is not known here: no ")
    result = _run(asked, mirror, tmp_path / "runs")
    cell = cell_of(result, asked, tmp_path / "runs")
    assert (cell.status, cell.value, cell.reason) == ("missing", None, planned.problem.message)
    assert Watched.events == []
    assert _values(_run(_asked(tmp_path, "none"), mirror, tmp_path / "runs")) == pytest.approx(WITH)


@pytest.mark.parametrize("rule", ["after", "before", "none"])
def test_lists_that_were_made_without_excluded_documents_pass(tmp_path: Path, mirror: Path, rule: str) -> None:
    write_lists(mirror, first_stage="reasonir")
    (mirror / "topics_and_qrels" / EXCLUSIONS).unlink()
    result = _run(_asked(tmp_path, rule, more="first_stages: [reasonir]"), mirror, tmp_path / "runs")
    assert _values(result) == pytest.approx(WITH)


def test_lists_of_ones_own_are_not_taken_for_the_catalogs_of_that_name(tmp_path: Path, mirror: Path) -> None:
    lists = write_lists(mirror)
    own = f"candidates: {{reasonir: {{kind: file, path: {lists}}}}}"
    asked = _asked(tmp_path, "after", more=f"first_stages: [reasonir]\n{own}")
    planner = Planner(Excluding(mirror), tmp_path / "runs")
    list(planner.candidates.build_all(planner.definitions(asked)))
    (result,) = Laboratory(planner).run(planner.plan(asked), asked, Watcher())
    assert _values(result) == pytest.approx(WITHOUT)


def test_brights_leetcode_is_measured_by_the_lists_that_the_catalog_knows(tmp_path: Path, data_dir: Path) -> None:
    assert load_catalog().benchmark("bright-leetcode").exclusions
    text = "title: t\nbenchmarks: [bright-leetcode]\nfirst_stages: [reasonir]\nsystems: [BM25]\n"
    (tmp_path / "leetcode.yaml").write_text(text, encoding="utf-8")
    asked = load_experiment(str(tmp_path / "leetcode.yaml"))
    planner = Planner(Benchmarks(data_dir, tmp_path / "cache"), tmp_path / "runs")
    (result,) = Laboratory(planner).run(planner.plan(asked), asked, Watcher())
    values = list(_values(result).values())
    assert round(100 * sum(values) / len(values), 2) == 31.68  # published with the run

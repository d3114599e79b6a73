"""Two runs, or a run and the paper, beside each other: fields, effects and queries by hand."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from pathlib import Path
from typing import Any

import pytest

from laboratory import TinyBenchmarks, Watcher, experiment, run, write_mirror
from rerankbench.benchmarks import Benchmarks
from rerankbench.benchmarks.exclusions import Exclusions
from rerankbench.config import load_experiment
from rerankbench.errors import ConfigError, UsageError
from rerankbench.experiment import Laboratory
from rerankbench.explaining import ABSENT, Explanation, compared, explain, explain_paper, paper_cell
from rerankbench.plan import Planner
from rerankbench.records import Qrels, Ranking
from rerankbench.reference.verdict import Verdict
from rerankbench.scoring import Judgements, StoredRun, judgements, read_stored

HALF = 1 / log2(3)
"""What a gain at rank 2 is worth."""


def _manifest(**changed: Any) -> dict[str, Any]:
    ranker = {"kind": "identity", **changed.get("ranker", {})}
    return {
        "id": "not compared",
        "files": {"run.trec": "not compared"},
        "system": {"name": changed.get("system", "BM25"), "ranker": {**ranker, "batch": changed.get("batch", 1)}, "engine": None},
        "identity": {
            "benchmark": {"name": changed.get("benchmark", "mini"), "qrels_sha256": changed.get("qrels", "1")},
            "candidates": {"first_stage": "bm25", "depth": 100},
            "ranker": ranker,
            "engine": None,
            "limit": changed.get("limit"),
        },
        "measures": {
            "names": [changed.get("measure", "nDCG@10")],
            "missing": changed.get("missing", "error"),
            "exclusions": changed.get("exclusions", "after"),
        },
        "data": {"candidates": {}, "qrels": {"place": "qrels.txt"}},
        "caveat": changed.get("caveat", ""),
        "defects": changed.get("defects", {}),
        "seconds": changed.get("seconds", 1.0),
    }


def _stored(rankings: Mapping[str, str], **changed: Any) -> StoredRun:
    """Query id → letters, each a document."""
    return StoredRun(Path("/nowhere"), _manifest(**changed), tuple(Ranking(query, tuple(letters)) for query, letters in rankings.items()))


def _judged(qrels: Qrels, excluded: Exclusions | None = None) -> Judgements:
    return Judgements({"q": qrels}, {"q": "1"}, excluded)


def test_fields_that_differ_are_named_once_with_what_they_decide() -> None:
    fields, equal = compared(
        _manifest(ranker={"prompts": {"p": "aa"}}, seconds=1.0, defects={"truncated": 3}, batch=1),
        _manifest(ranker={"prompts": {"p": "bb"}}, seconds=2.0, missing="zero", batch=8),
    )
    assert [(field.name, field.decides, field.a, field.b) for field in fields] == [
        ("ranker.prompts.p", "ranking", "aa", "bb"),
        ("measures.missing", "measurement", "error", "zero"),
        ("ranker.batch", "circumstance", 1, 8),
        ("defects.truncated", "circumstance", 3, ABSENT),
        ("seconds", "circumstance", 1.0, 2.0),
    ]
    # system, benchmark.name, benchmark.qrels_sha256, candidates.first_stage, candidates.depth, ranker.kind, limit,
    # measures.names, measures.exclusions, data.qrels.place, caveat
    assert equal == 11


def test_equal_manifests_have_no_difference() -> None:
    assert compared(_manifest(), _manifest())[0] == ()


def test_runs_are_compared_query_by_query() -> None:
    a, b = _stored({"q1": "abc", "q2": "abc", "q3": "abc"}), _stored({"q1": "abc", "q2": "bac", "q3": "cba"})
    found = explain(a, b, _judged({query: {"a": 1} for query in ("q1", "q2", "q3")}))
    assert (found.queries, found.reordered) == (3, 2)
    assert found.tau == pytest.approx((1 + 1 / 3 - 1) / 3)  # one of three pairs swapped, then all
    assert [change.query_id for change in found.changes] == ["q3", "q2"]
    assert (found.changes[1].a, found.changes[1].b) == pytest.approx((1.0, HALF))
    assert (found.a_mean, found.b_mean) == pytest.approx((1.0, (1 + HALF + 1 / 2) / 3))
    assert found.b_by_rules_of_a == found.b_mean
    assert found.effects == ()


def _effects(found: Explanation) -> dict[str, tuple[Any, ...]]:
    return {effect.rule: (effect.a, effect.b, effect.a_otherwise, effect.b_otherwise) for effect in found.effects}


def test_each_rule_of_measurement_that_differs_is_measured_both_ways() -> None:
    a, b = _stored({"q1": "ab"}, missing="zero", exclusions="none"), _stored({"q1": "ba"}, missing="skip")
    found = explain(a, b, _judged({"q1": {"b": 1}, "q2": {"a": 1}}, Exclusions({"q1": frozenset("a")})))
    # A: b at rank 2, q2 is 0. B: b alone, q2 is left out.
    assert (found.a_mean, found.b_mean) == pytest.approx((HALF / 2, 1.0))
    assert found.b_by_rules_of_a == 0.5  # b first, q2 is 0: the ranking alone makes 0.5 - HALF / 2
    assert _effects(found) == {
        "missing": ("zero", "skip", pytest.approx(HALF), pytest.approx(0.5)),
        "exclusions": ("none", "after", pytest.approx(0.5), pytest.approx(1.0)),
    }


def test_another_measure_is_a_rule_that_differs() -> None:
    a, b = _stored({"q1": "ab"}), _stored({"q1": "ab"}, measure="RR@10")
    found = explain(a, b, _judged({"q1": {"b": 1}}))
    assert found.measure == "nDCG@10"
    assert (found.a_mean, found.b_mean) == pytest.approx((HALF, 0.5))
    assert found.b_by_rules_of_a == pytest.approx(HALF)
    assert _effects(found) == {"measure": ("nDCG@10", "RR@10", pytest.approx(0.5), pytest.approx(HALF))}


def test_another_version_of_the_judgements_is_measured_where_it_is_at_hand() -> None:
    a, b = _stored({"q1": "ab"}, qrels="1"), _stored({"q1": "ab"}, qrels="2")
    both = Judgements({"old": {"q1": {"a": 1}}, "new": {"q1": {"b": 1}}}, {"old": "1", "new": "2"})
    found = explain(a, b, both)
    assert [(field.name, field.decides) for field in found.differing] == [("benchmark.qrels_sha256", "measurement")]
    assert _effects(found) == {"qrels": ("old", "new", pytest.approx(HALF), 1.0)}
    (note,) = explain(a, b, _judged({"q1": {"a": 1}})).notes
    assert note.startswith("B was measured by other judgements (SHA-256 2)")


def test_lists_of_other_documents_are_compared_by_their_union() -> None:
    found = explain(_stored({"q1": "ab", "q2": "a"}), _stored({"q1": "ac", "q2": "b"}), _judged({"q1": {"a": 1}, "q2": {"a": 1}}))
    assert found.reordered == 2
    assert found.tau == 1.0  # a b and a c are 1 2 and 1 3; q2 has one document and no tau


def test_two_real_run_folders_differ_in_ranker_engine_and_queries(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    embedding = "{name: e, ranker: {kind: embedding, end_token: ''}, engine: {kind: 'laboratory:Watched'}}"
    results = run(experiment(tmp_path, f"[BM25, {embedding}]"), mirror, tmp_path / "runs")
    a, b = (read_stored(result.folder) for result in results if result.folder)
    found = explain(a, b, judgements([a, b], TinyBenchmarks(mirror)))
    names = {field.name: field for field in found.differing}
    assert (names["ranker.kind"].decides, names["ranker.kind"].a, names["ranker.kind"].b) == ("ranking", "identity", "embedding")
    assert names["engine.kind"].a == ABSENT
    assert names["system"].decides == "circumstance"
    assert not any(name.startswith(("id", "files", "identity", "environment.rerankbench", "candidates", "measures")) for name in names)
    assert found.a_mean == pytest.approx((HALF + 1 + 1 / log2(6)) / 3)
    assert found.queries == 4
    # Only judged queries have a value.
    assert {change.query_id for change in found.changes} <= {"q1", "q2", "q3"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("paper:1:BM25:dl19", "50.58"),
        ("paper:1:bm25:DL19", "50.58"),
        ("paper:1:E2Rank-0.6B:dl19", "70.84"),
        ("paper:1:E²Rank-0.6B:DL19", "70.84"),
        ("paper:1:BM25:Avg.", "43.43"),
    ],
)
def test_a_cell_of_the_paper_is_named_as_in_the_code_or_as_printed(text: str, value: str) -> None:
    assert paper_cell(text).value == value


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("paper:1", UsageError, "names no cell"),
        ("paper:1:BM25", UsageError, "names no cell"),
        ("paper:99:BM25:dl19", ConfigError, "no table '99'"),
        ("paper:1:BM26:dl19", UsageError, "There is no row in Table 1 'BM26'. Did you mean 'BM25'"),
        ("paper:1:BM25:dl18", UsageError, "There is no column in Table 1 'dl18'. Did you mean 'dl19'"),
    ],
)
def test_a_cell_that_the_paper_does_not_have_is_refused(text: str, error: type[UsageError], said: str) -> None:
    with pytest.raises(error, match=said):
        paper_cell(text)


def test_a_column_of_several_first_stages_is_named_with_its_own() -> None:
    cell = paper_cell("paper:21:E2Rank-0.6B:contriever/dl19")
    assert (cell.first_stage, cell.column) == ("contriever", "dl19")
    with pytest.raises(UsageError, match="'dl19' is more than one column in Table 21"):
        paper_cell("paper:21:E2Rank-0.6B:dl19")


def _of_43(good: int, **changed: Any) -> StoredRun:
    """A run of 43 queries, as many as dl19 has; `good` of them have the relevant document a at rank 1, the others none."""
    return _stored({f"q{n}": "a" if n < good else "b" for n in range(43)}, benchmark="dl19", **changed)


OF_43 = {f"q{n}": {"a": 1} for n in range(43)}


def test_a_deterministic_run_of_the_papers_protocol_is_judged_by_half_a_printed_unit() -> None:
    found = explain_paper(_of_43(21), paper_cell("paper:1:BM25:dl19"), _judged(OF_43))
    assert found.differing == ()
    assert {field.name for field in found.fields} == {
        "system",
        "benchmark.name",
        "candidates.first_stage",
        "candidates.depth",
        "ranker.kind",
        "measures.names",
        "queries counted",
    }
    # 21 of 43 is 48.837; the paper prints 50.58.
    assert (found.cell.verdict, found.cell.printed) == (Verdict.DIFFERENT, "50.58")
    assert float(found.cell.difference or 0) == pytest.approx(2100 / 43 - 50.58)
    assert found.printed_as == "Table 1, BM25, DL19"


def test_another_protocol_than_the_papers_is_not_judged_and_says_why() -> None:
    found = explain_paper(_of_43(21, measure="RR@10", system="mine"), paper_cell("paper:1:BM25:dl20"), _judged(OF_43))
    assert found.cell.verdict is None
    assert found.cell.not_judged == (
        "system: mine, by the paper BM25; benchmark.name: dl19, by the paper dl20; measures.names: RR@10, by the paper nDCG@10;"
        " queries counted: 43, by the paper 54"
    )


def test_engines_that_are_no_model_and_runs_of_the_first_queries_are_not_judged() -> None:
    cell = paper_cell("paper:1:BM25:dl19")
    assert explain_paper(_of_43(21, caveat="no model"), cell, _judged(OF_43)).cell.not_judged == "no model"
    assert explain_paper(_of_43(21, limit=43), cell, _judged(OF_43)).cell.not_judged == "first 43 queries only"


def test_a_model_and_options_other_than_the_papers_are_told() -> None:
    run = _of_43(21, system="E2Rank-0.6B", ranker={"kind": "embedding", "documents_in_prompt": 3, "mode": "listwise"})
    found = explain_paper(run, paper_cell("paper:1:E2Rank-0.6B:dl19"), _judged(OF_43))
    assert [(field.name, field.a, field.b) for field in found.differing] == [
        ("ranker.documents_in_prompt", 3, 20),
        ("engine.model", ABSENT, "Alibaba-NLP/E2Rank-0.6B"),
    ]


def test_a_run_without_a_value_is_no_match() -> None:
    lacking = _stored({"q0": "a"}, benchmark="dl19")
    found = explain_paper(lacking, paper_cell("paper:1:BM25:dl19"), _judged(OF_43))
    assert (found.cell.verdict, found.cell.value) == (Verdict.MISSING, None)


def test_the_real_bm25_run_is_the_papers(tmp_path: Path, data_dir: Path) -> None:
    path = tmp_path / "bm25.yaml"
    path.write_text("title: t\nbenchmarks: [dl19]\nsystems: [BM25]\n", encoding="utf-8")
    asked, benchmarks = load_experiment(str(path)), Benchmarks(data_dir)
    planner = Planner(benchmarks, tmp_path / "runs")
    (result,) = Laboratory(planner).run(planner.plan(asked), asked, Watcher())
    assert result.folder is not None
    stored = read_stored(result.folder)
    found = explain_paper(stored, paper_cell("paper:1:BM25:dl19"), judgements([stored], benchmarks))
    assert (found.cell.verdict, found.differing) == (Verdict.MATCH, ())

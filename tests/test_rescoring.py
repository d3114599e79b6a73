"""Stored runs measured under other rules: values by hand, and nothing in a run folder is changed."""

from __future__ import annotations

from math import log2
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.calling import files_below
from laboratory import EXCLUSIONS, Excluding, TinyBenchmarks, experiment, run, write_mirror
from rerankbench.benchmarks.exclusions import Exclusions
from rerankbench.errors import ConfigError, MeasureError, MissingData, MissingError, StoreError, UsageError
from rerankbench.records import Qrels, Ranking
from rerankbench.rescoring import Rescored, rescore
from rerankbench.scoring import Judgements, Rules, Scorer, StoredRun, from_level, judgements, named, read_stored, rules_of, stored_mean

HALF = 1 / log2(3)
"""What a gain at rank 2 is worth."""


def _stored(*rankings: Ranking, system: str = "s", measure: str = "nDCG@10", **protocol: Any) -> StoredRun:
    measures = {"names": [measure], "missing": protocol.get("missing", "error"), "exclusions": protocol.get("exclusions", "after")}
    manifest = {
        "system": {"name": system},
        "identity": {
            "benchmark": {"name": protocol.get("benchmark", "mini"), "qrels_sha256": "1"},
            "candidates": {"first_stage": "bm25"},
            "limit": protocol.get("limit"),
        },
        "measures": measures,
        "data": {"candidates": {}, "qrels": {"place": "mine.txt"}},
    }
    return StoredRun(Path("/nowhere") / system, manifest, rankings)


def _judged(qrels: Qrels, excluded: Exclusions | None = None) -> Judgements:
    return Judgements({"q": qrels}, {"q": "1"}, excluded)


def _rescored(run: StoredRun, qrels: Qrels, excluded: Exclusions | None = None, measure: str = "") -> Rescored:
    return rescore({run.system: run}, _judged(qrels, excluded), measure)


def _means(found: Rescored, choice: str, run: str = "s") -> dict[Any, float | None]:
    """Option → mean, all other choices as in the default."""
    alone = [c for c in found.combinations if set(c.rules.changes(found.default)) <= {choice}]
    return {getattr(c.rules, choice): c.means[run] for c in alone}


def test_equal_scores_stay_or_are_sorted_by_falling_id_as_the_rule_says() -> None:
    tied = _stored(Ranking("q1", ("d2", "d1", "d3"), (1.0, 1.0, 1.0)))
    # The relevant d1 stands at rank 2; by falling id d3 d2 d1 at rank 3.
    assert _means(_rescored(tied, {"q1": {"d1": 1}}), "ties") == pytest.approx({"ranker": HALF, "trec_eval": 1 / log2(4), "stable": HALF})


def test_trec_eval_takes_scores_for_equal_that_are_in_single_precision() -> None:
    near = _stored(Ranking("q1", ("d1", "d2"), (1.000000001, 1.0)))
    assert _means(_rescored(near, {"q1": {"d1": 1}}), "ties") == pytest.approx({"ranker": 1.0, "trec_eval": HALF, "stable": 1.0})


def test_native_scores_that_contradict_the_rankers_order_count_where_they_are_asked() -> None:
    against = _stored(Ranking("q1", ("d1", "d2"), (1.0, 2.0)))
    assert _means(_rescored(against, {"q1": {"d1": 1}}), "ties") == pytest.approx({"ranker": 1.0, "trec_eval": HALF, "stable": HALF})


def test_infinite_scores_are_ordered_like_any() -> None:
    infinite = _stored(Ranking("q1", ("d1", "d2", "d3"), (float("inf"), 0.0, float("-inf"))))
    assert _means(_rescored(infinite, {"q1": {"d2": 1}}), "ties") == pytest.approx({"ranker": HALF, "trec_eval": HALF, "stable": HALF})


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=20, unique=True))
def test_the_tie_rule_changes_nothing_where_scores_fall_strictly(scores: list[int]) -> None:
    falling = tuple(float(score) for score in sorted(scores, reverse=True))
    ranking = Ranking("q1", tuple(f"d{position}" for position in range(len(falling))), falling)
    scorer = Scorer(_stored(ranking), _judged({"q1": {"d0": 1}}), "nDCG@10")
    for ties in ("ranker", "trec_eval", "stable"):
        assert scorer.ranking(Rules(ties, qrels="q")).ranking("q1") == ranking.doc_ids


def test_a_missing_query_gives_no_value_or_zero_or_is_left_out() -> None:
    lacking = _stored(Ranking("q1", ("d1",)), missing="skip")
    found = _rescored(lacking, {"q1": {"d1": 1}, "q2": {"d1": 1}})
    assert _means(found, "missing") == {"skip": 1.0, "error": None, "zero": 0.5}
    assert found.range("s") == (0.5, 1.0)
    assert [each.value for each in found.distinct("s")] == [1.0, 0.5, None]


def test_exponential_gain_and_a_higher_level_are_as_by_hand() -> None:
    graded = _stored(Ranking("q1", ("d2", "d1")))
    found = _rescored(graded, {"q1": {"d1": 3, "d2": 1}})
    # Linear: (1 + 3/log2 3) of (3 + 1/log2 3); exponential: 3 becomes 7; from level 2 only d1 at rank 2 counts.
    assert _means(found, "gain") == pytest.approx({"linear": (1 + 3 * HALF) / (3 + HALF), "exponential": (1 + 7 * HALF) / (7 + HALF)})
    assert _means(found, "level") == pytest.approx({1: (1 + 3 * HALF) / (3 + HALF), 2: HALF})
    assert len(found.combinations) == 4


def test_a_binary_measure_has_levels_and_no_gain() -> None:
    graded = _stored(Ranking("q1", ("d2", "d1")), measure="RR(rel=2)@10")
    found = _rescored(graded, {"q1": {"d1": 3, "d2": 1}})
    assert found.choices == {"level": (2, 1)}
    assert _means(found, "level") == {2: 0.5, 1: 1.0}


def test_a_measure_with_exponential_gain_has_it_by_default() -> None:
    graded = _stored(Ranking("q1", ("d2", "d1")))
    found = _rescored(graded, {"q1": {"d1": 3, "d2": 1}}, measure="nDCG(dcg='exp-log2')@10")
    assert found.default.gain == "exponential"
    assert found.default_mean("s") == pytest.approx((1 + 7 * HALF) / (7 + HALF))


def test_grades_below_the_level_become_zero_and_negative_ones_stay() -> None:
    assert from_level({"q": {"a": -2, "b": 0, "c": 1, "d": 2, "e": 3}}, 2) == {"q": {"a": -2, "b": 0, "c": 0, "d": 2, "e": 3}}


def test_excluded_documents_are_dropped_or_count() -> None:
    excluded = Exclusions({"q1": frozenset({"d1"})})
    found = _rescored(_stored(Ranking("q1", ("d1", "d2"))), {"q1": {"d2": 1}}, excluded)
    assert found.default.exclusions == "after"
    assert _means(found, "exclusions") == pytest.approx({"after": 1.0, "none": HALF})


def test_lists_that_were_made_without_excluded_documents_keep_what_they_hold() -> None:
    excluded = Exclusions({"q1": frozenset({"d1"})})
    found = _rescored(_stored(Ranking("q1", ("d1", "d2")), exclusions="before"), {"q1": {"d2": 1}}, excluded)
    assert _means(found, "exclusions") == pytest.approx({"after": HALF, "none": HALF})


def test_an_emptied_ranking_is_a_missing_query() -> None:
    excluded = Exclusions({"q1": frozenset({"d1"})})
    two = _stored(Ranking("q1", ("d1",)), Ranking("q2", ("d1",)), missing="zero")
    found = _rescored(two, {"q1": {"d1": 1}, "q2": {"d1": 1}}, excluded)
    assert _means(found, "missing") == {"zero": 0.5, "error": None, "skip": 1.0}


def test_choices_that_cannot_matter_are_not_made() -> None:
    found = _rescored(_stored(Ranking("q1", ("d1", "d2"))), {"q1": {"d2": 1}})
    assert found.choices == {}
    assert [c.rules for c in found.combinations] == [found.default]
    assert found.moves("s") == []


def test_the_choice_that_moves_a_score_most_comes_first() -> None:
    tied = _stored(Ranking("q1", ("d2", "d1"), (1.0, 1.0)))
    found = _rescored(tied, {"q1": {"d1": 1, "d2": 3}})
    # The ranker's order is ideal under every gain; level 2 leaves d2 alone at rank 1. Ties by falling id: d2 d1 too.
    assert found.range("s") == (1.0, 1.0)
    assert [(move.alone, move.most) for move in found.moves("s")] == [(0.0, 0.0)] * 3
    other = _rescored(_stored(Ranking("q1", ("d1", "d2"), (1.0, 1.0))), {"q1": {"d1": 1, "d2": 3}})
    # d1 first: linear (1 + 3/log2 3) / (3 + 1/log2 3) = 0.797, exponential 0.710, level 2 0.631; by falling id 1.
    first, second, third = other.moves("s")
    assert [move.choice for move in (first, second, third)] == ["ties", "level", "gain"]
    assert first.alone == pytest.approx(1 - (1 + 3 * HALF) / (3 + HALF))
    assert first.most == pytest.approx(1 - HALF)
    assert second.alone == pytest.approx(HALF - (1 + 3 * HALF) / (3 + HALF))


def test_values_are_named_by_the_combination_with_the_fewest_changes() -> None:
    other = _rescored(_stored(Ranking("q1", ("d1", "d2"), (1.0, 1.0))), {"q1": {"d1": 1, "d2": 3}})
    best, *_, worst = other.distinct("s")
    assert (best.value, best.rules.changes(other.default), best.combinations) == (1.0, {"ties": "trec_eval"}, 4)
    assert worst.value == pytest.approx(HALF)
    assert worst.rules.changes(other.default) == {"level": 2}
    assert sum(each.combinations for each in other.distinct("s")) == len(other.combinations) == 12


def test_systems_that_change_places_are_named_with_the_rule() -> None:
    # Relevant are d1 (3) and d2 … d4 (1). A: d1 at rank 4 behind the others; B: d1 at rank 2, the others nowhere.
    a = _stored(Ranking("q1", ("d2", "d3", "d4", "d1")), system="A")
    b = _stored(Ranking("q1", ("x", "d1", "y", "z")), system="B")
    found = rescore({"A": a, "B": b}, _judged({"q1": {"d1": 3, "d2": 1, "d3": 1, "d4": 1}}))
    # DCG by hand: A linear 1 + 0.631 + 0.5 + 3·0.431 = 3.42, B 3·0.631 = 1.89; exponential 5.15 and 4.42; level 2: 1.29 and 1.89.
    (reversal,) = found.reversals()
    assert (reversal.above, reversal.below) == ("A", "B")
    assert (reversal.rules.changes(found.default), reversal.combinations) == ({"level": 2}, 2)


def test_systems_that_keep_their_places_are_not_named() -> None:
    best, worse = _stored(Ranking("q1", ("d1", "d2")), system="A"), _stored(Ranking("q1", ("d2", "d1")), system="B")
    assert rescore({"A": best, "B": worse}, _judged({"q1": {"d1": 2}})).reversals() == []


def test_a_run_of_the_first_queries_is_measured_over_those() -> None:
    limited = _stored(Ranking("q1", ("d1",)), limit=1)
    found = _rescored(limited, {"q1": {"d1": 1}, "q2": {"d1": 1}})
    assert found.default_mean("s") == 1.0
    assert found.choices == {}
    assert found.notes == ("s has the first 1 queries only.",)


def test_other_judgements_are_versions_and_the_same_file_is_none(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    same, other = mirror / "topics_and_qrels" / "qrels.mini.txt", tmp_path / "qrels.v2.txt"
    other.write_text("q1 0 d1 1\nq2 0 d1 1\nq3 0 d5 1\n", encoding="utf-8")
    (result,) = run(experiment(tmp_path, "[BM25]"), mirror, tmp_path / "runs")
    assert result.folder is not None
    stored = read_stored(result.folder)
    judged = judgements([stored], TinyBenchmarks(mirror), [same, other])
    found = rescore({"BM25": stored}, judged)
    assert found.choices["qrels"] == ("qrels.mini.txt", "qrels.v2.txt")
    # nDCG@10: ranks 2, 1 and 5 by the run's own judgements; 1, 1 and 5 by the other ones.
    own, others = (HALF + 1 + 1 / log2(6)) / 3, (2 + 1 / log2(6)) / 3
    assert _means(found, "qrels", "BM25") == pytest.approx({"qrels.mini.txt": own, "qrels.v2.txt": others})


def test_a_real_run_folder_gives_its_stored_score_and_is_not_touched(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    (result,) = run(experiment(tmp_path, "[BM25]"), mirror, tmp_path / "runs")
    before = files_below(tmp_path)
    assert result.folder is not None
    stored = read_stored(result.folder)
    found = rescore(named([stored]), judgements([stored], TinyBenchmarks(mirror)))
    assert found.default_mean("BM25") == stored_mean(stored, "nDCG@10") == pytest.approx((HALF + 1 + 1 / log2(6)) / 3)
    assert found.default.qrels == "qrels.mini.txt"
    assert found.notes == ()
    assert files_below(tmp_path) == before


def test_exclusions_come_from_the_benchmark(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    (result,) = run(experiment(tmp_path, "[BM25]"), mirror, tmp_path / "runs")
    assert result.folder is not None
    stored = read_stored(result.folder)
    with pytest.raises(MissingData, match=EXCLUSIONS):
        judgements([stored], Excluding(mirror))
    (mirror / "topics_and_qrels" / EXCLUSIONS).write_text("q1 d1\n", encoding="utf-8")
    judged = judgements([stored], Excluding(mirror))
    # d1 gone, d2 is the first of q1.
    found = _means(rescore({"BM25": stored}, judged), "exclusions", "BM25")
    assert found["after"] == pytest.approx((1 + 1 + 1 / log2(6)) / 3)
    assert found["none"] == pytest.approx((HALF + 1 + 1 / log2(6)) / 3)


def test_other_rules_than_the_first_runs_are_told() -> None:
    ranking = Ranking("q1", ("d1",))
    runs = named([_stored(ranking, system="A"), _stored(ranking, system="B", missing="zero")])
    assert rescore(runs, _judged({"q1": {"d1": 1}})).notes == ("B was measured by other rules than the first run: missing zero.",)


def test_judgements_that_are_not_the_runs_own_are_told() -> None:
    found = rescore({"s": _stored(Ranking("q1", ("d1",)))}, Judgements({"q": {"q1": {"d1": 1}}}, {"q": "2"}))
    assert found.notes == ("s was measured by other judgements (SHA-256 1) than those at hand.",)


def test_what_cannot_be_rescored_says_why(tmp_path: Path) -> None:
    ranking = Ranking("q1", ("d1",))
    (tmp_path / "run.trec").write_text("q1 Q0 d1 1 1 t\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is a file"):
        read_stored(tmp_path / "run.trec")
    with pytest.raises(MissingData, match="no run folder"):
        read_stored(tmp_path / "none")
    with pytest.raises(MissingError, match="no complete run"):
        read_stored(tmp_path)
    (tmp_path / "manifest.json").write_text('{"files": {}}', encoding="utf-8")
    with pytest.raises(StoreError, match="holds no run"):
        read_stored(tmp_path)
    with pytest.raises(UsageError, match="named twice"):
        named([_stored(ranking), _stored(ranking)])
    with pytest.raises(UsageError, match="more than one benchmark: dl19, mini"):
        judgements([_stored(ranking), _stored(ranking, benchmark="dl19")], TinyBenchmarks(tmp_path))
    with pytest.raises(UsageError, match="more than one limit"):
        judgements([_stored(ranking), _stored(ranking, limit=3)], TinyBenchmarks(tmp_path))
    with pytest.raises(UsageError, match="one of your own") as own:
        judgements([_stored(ranking, benchmark="mine")], TinyBenchmarks(tmp_path))
    assert "--qrels mine.txt" in own.value.hint
    with pytest.raises(ConfigError, match="no measure"):
        _rescored(_stored(ranking), {"q1": {"d1": 1}}, measure="nDGC@10")
    with pytest.raises(MeasureError, match="share no query"):
        _rescored(_stored(ranking), {"other": {"d1": 1}})


def test_an_own_benchmark_is_measured_by_the_file_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("q1 0 d1 1\n", encoding="utf-8")
    own = _stored(Ranking("q1", ("d1",)), benchmark="mine")
    judged = judgements([own], TinyBenchmarks(tmp_path), [tmp_path / "mine.txt"])
    assert rules_of(own, judged, "nDCG@10").qrels == "mine.txt"
    assert rescore({"s": own}, judged).default_mean("s") == 1.0


def test_systems_that_are_called_alike_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    first = _stored(Ranking("q1", ("d1",)))
    second = StoredRun(tmp_path, first.manifest, first.rankings)
    assert list(named([first, second])) == ["/nowhere/s", str(tmp_path)]

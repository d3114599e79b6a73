"""`explain` shows what differs between two runs, or a run and the paper, for people and for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.calling import Caller


@pytest.fixture
def folders(call: Caller, tmp_path: Path) -> dict[str, Path]:
    """System → run folder: the demo's systems on mini."""
    assert call("run", "demo").code == 0
    return {p.parent.name.rpartition("-")[0]: p.parent for p in (tmp_path / "runs").rglob("manifest.json")}


def test_two_runs_are_compared_by_field_and_query(call: Caller, folders: dict[str, Path]) -> None:
    found = call("explain", folders["BM25"], folders["E2Rank-lexical"], "--json").data()
    names = {field["name"]: field for field in found["differing"]}
    assert (names["ranker.kind"]["a"], names["ranker.kind"]["b"], names["ranker.kind"]["decides"]) == ("identity", "embedding", "ranking")
    assert names["seconds"]["decides"] == "circumstance"
    assert found["equal"] > 10
    for side, system in (("a", "BM25"), ("b", "E2Rank-lexical")):
        measured = call("rescore", folders[system], "--json").data()["runs"][0]["default"]
        assert found[f"{side}_mean"] == pytest.approx(measured)
    differences = [abs(change["b"] - change["a"]) for change in found["changes"]]
    assert differences == sorted(differences, reverse=True)
    assert sum(change["b"] - change["a"] for change in found["changes"]) / 27 == pytest.approx(found["b_mean"] - found["a_mean"])
    assert found["effects"] == []


def test_people_see_the_fields_side_by_side_and_the_five_queries_that_differ_most(call: Caller, folders: dict[str, Path]) -> None:
    done = call("explain", folders["BM25"], folders["E2Rank-lexical"])
    assert done.code == 0
    assert "Decides the ranking" in done.out
    assert "Circumstances: decide nothing by themselves" in done.out
    changes = call("explain", folders["BM25"], folders["E2Rank-lexical"], "--json").data()["changes"]
    shown = done.out.partition("most in")[2]
    assert all(change["query_id"] in shown for change in changes[:5])
    assert sum(f" {change['query_id']} " in shown for change in changes) == 5


def test_a_run_beside_itself_differs_in_nothing(call: Caller, folders: dict[str, Path]) -> None:
    found = call("explain", folders["BM25"], folders["BM25"], "--json").data()
    assert (found["differing"], found["reordered"], found["tau"], found["changes"]) == ([], 0, 1.0, [])
    assert "The rankings of 0 of " in call("explain", folders["BM25"], folders["BM25"]).out


def test_another_protocol_than_the_papers_is_not_judged(call: Caller, folders: dict[str, Path]) -> None:
    found = call("explain", folders["BM25"], "paper:1:BM25:dl19", "--json").data()
    assert found["paper"] == "Table 1, BM25, DL19"
    assert (found["printed"], found["verdict"]) == ("50.58", None)
    assert {field["name"] for field in found["differing"]} == {"benchmark.name", "candidates.depth", "queries counted"}
    turned = call("explain", "paper:1:BM25:dl19", folders["BM25"])
    assert turned.code == 0
    assert "not judged: benchmark.name: mini, by the paper dl19" in turned.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("none", "none"), 3, "There is no run folder none."),
        (("paper:1:BM25:dl19", "paper:1:BM25:dl20"), 2, "Both are cells of the paper"),
        (("RUN", "paper:1:BM26:dl19"), 2, "There is no row in Table 1 'BM26'."),
        (("RUN", "paper:1"), 2, "names no cell of the paper"),
        (("RUN", "none"), 3, "There is no run folder none."),
    ],
)
def test_what_cannot_be_explained_says_why(
    call: Caller, folders: dict[str, Path], arguments: tuple[str, str], code: int, said: str
) -> None:
    done = call("explain", *(str(folders["BM25"]) if word == "RUN" else word for word in arguments))
    assert (done.code, done.out) == (code, "")
    assert said in done.err

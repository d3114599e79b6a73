"""`rescore` tells the range of a score and what moves it, with the numbers of independent computations."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.calling import Caller, files_below

MINI_QRELS = Path(__file__).parents[2] / "eval/rerankbench/benchmarks/mini/topics_and_qrels/qrels.mini.txt"


@pytest.fixture
def folders(call: Caller, tmp_path: Path) -> dict[str, Path]:
    """System → run folder: the demo's systems on mini."""
    assert call("run", "demo").code == 0
    return {p.parent.name.rpartition("-")[0]: p.parent for p in (tmp_path / "runs").rglob("manifest.json")}


def _qrels() -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for line in MINI_QRELS.read_text(encoding="utf-8").splitlines():
        if "\t" in line:
            query, _, document, grade = line.split("\t")
        else:
            query, _, rest = line.split(" ", 2)
            document, grade = rest.rsplit(" ", 1)
        qrels.setdefault(query, {})[document] = int(grade)
    return qrels


def _journal(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (folder / "rankings.jsonl").read_bytes().splitlines()]


def _value(run: Mapping[str, Any], **changes: Any) -> float:
    """The value that these changes of the default alone give, looked up among all values by their first combination."""
    default = run["default_rules"]
    (found,) = [v["value"] for v in run["values"] if {k: r for k, r in v["rules"].items() if r != default[k]} == changes]
    return float(found)


def _first_run(found: Any) -> dict[str, Any]:
    return {**found["runs"][0], "default_rules": found["default"]}


def _ndcg(ranking: list[str], grades: Mapping[str, int], level: int = 1, *, exponential: bool = False) -> float:
    """nDCG@10 written out, independently of any package."""
    gains = {d: (2**g - 1 if exponential else g) for d, g in grades.items() if g >= level}
    ideal = sum(g / log2(rank + 1) for rank, g in enumerate(sorted(gains.values(), reverse=True)[:10], start=1))
    return sum(gains.get(d, 0) / log2(rank + 1) for rank, d in enumerate(ranking[:10], start=1)) / ideal if ideal else 0.0


def test_gains_and_levels_are_those_of_ndcg_written_out(call: Caller, folders: dict[str, Path]) -> None:
    run, qrels = _first_run(call("rescore", folders["E2Rank-lexical"], "--json").data()), _qrels()
    rankings = {entry["query_id"]: entry["doc_ids"] for entry in _journal(folders["E2Rank-lexical"])}

    def mean(level: int = 1, *, exponential: bool = False) -> float:
        return sum(_ndcg(rankings[q], qrels[q], level, exponential=exponential) for q in qrels) / len(qrels)

    assert run["default"] == pytest.approx(mean(), abs=1e-9)
    assert _value(run, gain="exponential") == pytest.approx(mean(exponential=True), abs=1e-9)
    assert _value(run, level=2) == pytest.approx(mean(2), abs=1e-9)
    assert _value(run, level=2, gain="exponential") == pytest.approx(mean(2, exponential=True), abs=1e-9)
    low, high = run["range"]
    values = [value["value"] for value in run["values"]]
    assert (low, high) == (min(values), max(values))


def test_trec_evals_ties_are_pytrec_evals(call: Caller, tmp_path: Path) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    path = tmp_path / "tied.yaml"
    # Documents of one word in few dimensions: many score alike.
    ranker = "{kind: embedding, end_token: '', mode: query-only, max_words: 1}"
    system = f"{{name: tied, ranker: {ranker}, engine: {{kind: lexical, dims: 16}}}}"
    path.write_text(f"title: t\nbenchmarks: [mini]\ndepth: 50\nsystems: [{system}]\n", encoding="utf-8")
    assert call("run", path).code == 0
    (folder,) = (p.parent for p in (tmp_path / "runs").rglob("manifest.json"))
    run, qrels = _first_run(call("rescore", folder, "--json").data()), _qrels()
    native = {e["query_id"]: dict(zip(e["doc_ids"], map(float, e["scores"]), strict=True)) for e in _journal(folder)}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10"}).evaluate(native)
    expected = sum(values["ndcg_cut_10"] for values in theirs.values()) / len(qrels)
    assert abs(expected - run["default"]) > 0.01  # else this would tell nothing
    assert _value(run, ties="trec_eval") == pytest.approx(expected, abs=1e-9)


def test_people_are_told_the_range_what_moves_it_and_that_the_order_stays(call: Caller, folders: dict[str, Path]) -> None:
    before = {path: content for path, content in files_below(Path()).items() if "runs" in path}
    done = call("rescore", folders["oracle"], folders["BM25"])
    assert done.code == 0
    assert "moved most by" in done.out
    assert "BM25: what each choice moves" in done.out
    assert "the default" in done.out
    assert "No combination changes the order of the systems." in done.out
    assert "12 combinations of ties: ranker, trec_eval, stable; gain: linear, exponential; level: 1, 2." in done.out
    assert {path: content for path, content in files_below(Path()).items() if "runs" in path} == before


def test_other_judgements_may_turn_the_order_of_systems_and_are_named(call: Caller, folders: dict[str, Path], tmp_path: Path) -> None:
    # In the other version the last document of every list of the oracle is the only relevant one.
    lines = [f"{entry['query_id']} 0 {entry['doc_ids'][-1]} 1\n" for entry in _journal(folders["oracle"])]
    (tmp_path / "turned.txt").write_text("".join(lines), encoding="utf-8")
    arguments = ("rescore", folders["oracle"], folders["BM25"], "--measure", "nDCG", "--qrels", tmp_path / "turned.txt")
    found = call(*arguments, "--json").data()
    (reversal,) = found["reversals"]
    assert (reversal["above"], reversal["below"], reversal["rules"]["qrels"]) == ("oracle", "BM25", "turned.txt")
    assert "BM25 comes before oracle by qrels turned.txt" in call(*arguments).out


def test_what_cannot_be_rescored_says_why(call: Caller, tmp_path: Path) -> None:
    assert call("rescore").code == 2
    none = call("rescore", tmp_path / "none")
    assert (none.code, none.out) == (3, "")
    assert "There is no run folder" in none.err
    unfinished = call("rescore", tmp_path)
    assert unfinished.code == 3
    assert "holds no complete run" in unfinished.err
    (tmp_path / "run.trec").write_text("q1 Q0 d1 1 1 t\n", encoding="utf-8")
    assert call("rescore", tmp_path / "run.trec").code == 2

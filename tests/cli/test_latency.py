"""Latency from end to end: ranked one query at a time, and shown with what it was measured on."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from cli.calling import Caller


def test_the_demo_of_latency_shows_the_seconds_of_its_spans(call: Caller, tmp_path: Path) -> None:
    assert call("run", "latency-demo").code == 0
    reported = call("report", "latency-demo", "--json")
    assert reported.code == 0
    table = reported.data()
    cells = {(cell["system"], cell["benchmark"]): cell for cell in table["cells"]}
    for system in ("E2Rank-lexical", "RankGPT-lexical"):
        lines = (tmp_path / "runs" / cells[system, "overall-s"]["run"] / "spans.jsonl").read_bytes().splitlines()
        recorded = [orjson.loads(line) for line in lines]
        spans = [span for span in recorded if not span["warmup"]]
        assert [span["query_ids"] for span in recorded if span["name"] == "rank"][:3] == [
            span["query_ids"] for span in spans if span["name"] == "rank"
        ][:3]
        assert sum(span["warmup"] for span in recorded if span["name"] == "rank") == 3
        assert {len(span["query_ids"]) for span in spans} == {1}
        seconds = {name: [span["seconds"] for span in spans if span["name"] == name] for name in ("rank", "encode documents")}
        assert len(seconds["rank"]) == cells[system, "overall-s"]["queries"] == 28
        assert cells[system, "overall-s"]["value"] == pytest.approx(sum(seconds["rank"]) / 28)
        assert cells[system, "encode-documents-s"]["value"] == pytest.approx(sum(seconds["encode documents"]) / 28)
    for column in ("encode-documents-s", "others-s", "overall-s", "overall-p50-s", "overall-p90-s"):
        assert all("lexical is not a language model" in cells[system, column]["caveat"] for system, _ in cells)
    assert any(line.startswith("RankGPT-lexical takes ") for line in table["context"])


def test_runs_of_the_plain_demo_are_not_taken_for_it(call: Caller) -> None:
    assert call("run", "demo").code == 0
    reported = call("report", "latency-demo")
    assert reported.code == 4
    assert "rerankbench run latency-demo, with the options of this report" in reported.out


def test_a_cache_of_answers_is_refused_before_anything_runs(call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = call("run", "latency-demo", "--cache", tmp_path / "cache")
    assert done.code == 2
    assert "An answer that is kept takes no time" in done.err
    monkeypatch.setenv("RERANKBENCH_ANSWERS", str(tmp_path / "cache"))
    assert call("run", "latency-demo").code == 2
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("config", "cells"), [("table12", 9), ("table13", 3)])
def test_the_papers_tables_say_what_they_lack(call: Caller, config: str, cells: int) -> None:
    done = call("report", config, "--json")
    assert done.code == 4
    table = done.data()
    assert [cell["verdict"] for cell in table["cells"]] == ["MISSING"] * cells
    assert all(cell["reason"] and cell["hint"] and cell["paper"] for cell in table["cells"])
    assert {column["unit"] for column in table["columns"]} == {"seconds"}

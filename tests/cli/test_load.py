"""``rerankbench load`` from end to end: what it prints, writes and ends with."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.calling import Caller

QUICK = ("load", "latency-demo", "--arrivals", "10", "--warmup", "1", "--systems", "E2Rank-lexical")


def test_rates_are_tried_shown_and_written(call: Caller, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = call(*QUICK, "--rates", "5,10", "--json")
    data = done.data()
    (system,) = data["systems"]
    assert [rate["rate"] for rate in system["rates"]] == [5.0, 10.0]
    assert all(rate["arrivals"] == 10 and rate["errors"] == {} and rate["unfinished"] == 0 for rate in system["rates"])
    assert system["p99_target_s"] is None
    assert list(data["tables"]) == ["table", "highest"]
    assert {Path(file).name for file in data["files"]} >= {"table.md", "table.csv", "highest.md", "figure.svg", "figure.png", "figure.csv"}
    assert all(Path(file).parent.name == "load-latency-demo" and Path(file).is_file() for file in data["files"])
    assert (tmp_path / "runs" / system["run"] / "manifest.json").is_file()
    said = done.err.splitlines()
    assert [line.partition(",")[0] for line in said] == ["E2Rank-lexical"] * 2
    again = call(*QUICK, "--rates", "5,10", "--json")
    assert again.err == ""  # nothing is tried again
    assert again.data() == data


def test_people_get_tables_and_what_they_were_made_with(call: Caller) -> None:
    pytest.importorskip("matplotlib")
    done = call(*QUICK, "--rates", "5")
    assert "open loop: queries come at a rate of their own" in done.out
    assert "E2Rank-lexical: lexical; on" in done.out
    assert "Written to reports/latency/" in done.out


def test_a_target_that_nothing_can_hold_is_an_incomplete_result(call: Caller) -> None:
    pytest.importorskip("matplotlib")
    done = call(*QUICK, "--p99-target", "0.000001")
    assert done.code == 4
    assert "No rate can hold a p99 of 1e-06 s" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("load", "latency-demo"), "There is no rate to try."),
        (("load", "latency-demo", "--rates", "1,x"), "--rates: expected numbers"),
        (("load", "latency-demo", "--rates", "1", "--pattern", "poison"), "Did you mean 'poisson'?"),
        (("load", "latency-demo", "--p99-target", "20", "--drain", "5"), "--drain is 5 s, less than --p99-target"),
        (("load", "demo", "--rates", "1"), "demo times no queries."),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_runs(
    call: Caller, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = call(*arguments)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "runs").exists()

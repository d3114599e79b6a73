"""Load runs from end to end: what is stored, reused, begun again, counted, and shown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from threading import Barrier
from typing import Any

import orjson
import pytest

from engines.openai_server import Asked, Says, chat, serving, without_keys
from laboratory import TinyBenchmarks, experiment, write_mirror
from load.slow import Slow
from rerankbench.cli.load import exit_code
from rerankbench.config import Experiment
from rerankbench.errors import StoreError, UsageError
from rerankbench.experiment import Result
from rerankbench.load import Figures, Loaded, LoadLaboratory, Settings, load_figure, load_tables, loaded_runs, served_arrivals
from rerankbench.load.loop import WallPace
from rerankbench.plan import Cell, Planner
from rerankbench.report import Status, Table, render

MORE = "depth: 5\nlayout: latency\nbatch_queries: 1\nwarmup: 1"
SLOW = "{name: slow, ranker: {kind: listwise}, engine: {kind: 'load.slow:Slow'}}"
STEADY = Settings(rates=(0.5, 2.0), pattern="constant", arrivals=20, warmup=2, steps=0)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    Slow.loaded = 0
    Slow.calls.clear()
    yield
    Slow.fails_at = ""


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return write_mirror(tmp_path / "mirror")


class Quiet:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[float] = []

    def rate_done(self, cell: Cell, figures: Figures) -> None:
        self.told.append(figures.rate)


def under_load(asked: Experiment, mirror: Path, runs: Path, settings: Settings = STEADY, *, batch: int = 1) -> list[Result]:
    planner = Planner(TinyBenchmarks(mirror), runs)
    return LoadLaboratory(planner, runs, settings, Quiet(), in_flight=4, batch=batch, pace=Slow.pace).run(asked)


def shown(asked: Experiment, results: Sequence[Result], runs: Path) -> tuple[list[Loaded], dict[str, Table]]:
    loaded = loaded_runs(results, asked, runs)
    return loaded, load_tables(asked, loaded)


def test_a_run_keeps_every_arrival_and_is_reused(tmp_path: Path, mirror: Path) -> None:
    asked, runs = experiment(tmp_path, f"[{SLOW}]", MORE), tmp_path / "runs"
    (first,) = under_load(asked, mirror, runs)
    assert first.folder is not None
    assert first.manifest is not None
    assert first.folder.parent == runs / "load" / "mini" / "bm25"
    assert first.folder.name == f"slow-{first.manifest['id'][:12]}"
    at_half, at_two = served_arrivals(first.folder)
    assert [s.arrival.query_id for s in at_half][:5] == ["q1", "q2", "q3", "q4", "q1"]
    assert [s.arrival.warmup for s in at_two] == [True] * 2 + [False] * 20
    assert [s.arrival.due_s for s in at_half] == pytest.approx([2.0 * n for n in range(1, 23)])
    assert [s.service_s for s in at_two[:20]] == pytest.approx([1.0] * 20)
    (again,) = under_load(asked, mirror, runs)
    assert again.reused
    assert Slow.loaded == 1
    assert again.manifest == first.manifest


@pytest.mark.parametrize("other", [{"rates": (0.5,)}, {"arrivals": 21}, {"seed": 1}, {"drain_s": 11.0}, {"pattern": "poisson"}])
def test_another_load_is_another_run(tmp_path: Path, mirror: Path, other: dict[str, Any]) -> None:
    from dataclasses import replace

    asked, runs = experiment(tmp_path, f"[{SLOW}]", MORE), tmp_path / "runs"
    (first,), (second,) = under_load(asked, mirror, runs), under_load(asked, mirror, runs, replace(STEADY, **other))
    assert first.folder != second.folder
    assert not second.reused


def test_the_table_says_by_hand_what_a_server_of_one_second_does(tmp_path: Path, mirror: Path) -> None:
    asked, runs = experiment(tmp_path, f"[{SLOW}]", MORE), tmp_path / "runs"
    _, tables = shown(asked, under_load(asked, mirror, runs), runs)
    table, highest = tables["table"], tables["highest"]
    assert [row.label for row in table.rows] == ["0.5/s", "2/s (not sustained)"]
    cells = {(row.label, column.name): cell.value for row, column, cell in table.cells()}
    # 0.5 a second, 1 s each: half of the time busy, nobody waits.
    slow = {name: cells["0.5/s", name] for name in ("offered-per-s", "achieved-per-s", "busy", "mean-s", "p50-s", "p99-s", "wait-s")}
    assert slow == pytest.approx(
        {"offered-per-s": 0.5, "achieved-per-s": 0.5, "busy": 0.5, "mean-s": 1.0, "p50-s": 1.0, "p99-s": 1.0, "wait-s": 0.0}, abs=1e-6
    )
    # 2 a second: number n (from 0, two of warm-up) is due (n + 1) / 2, begun at 0.5 + n, and waits n / 2. The last is due at 11 and done at
    # 22.5; answers count until 21: those of n = 2 … 19 (at 20.5), and two are unfinished.
    assert cells["2/s (not sustained)", "unfinished"] == 2
    assert cells["2/s (not sustained)", "wait-s"] == pytest.approx(sum(n / 2 for n in range(2, 20)) / 18)
    # At least: 1 + n / 2, and for n = 20 and 21 what they had waited at 21: 10.5 and 10.
    mean = next(cell for row, column, cell in table.cells() if row.label.startswith("2/s") and column.name == "mean-s")
    assert mean.value == pytest.approx((sum(1 + n / 2 for n in range(2, 20)) + 10.5 + 10.0) / 20)
    assert "a lower bound: 2 of 20 arrivals were not answered at the end" in mean.notes
    assert "p99 of 20 arrivals: a p99 needs 100 at least" in render(table, "markdown")
    assert highest.rows[0].cells[0].value == 0.5
    assert table.exit_code() == highest.exit_code() == 0


def test_waiting_queries_are_ranked_together_and_no_query_twice_in_one_call(tmp_path: Path, mirror: Path) -> None:
    asked, runs = experiment(tmp_path, f"[{SLOW}]", MORE), tmp_path / "runs"
    (result,) = under_load(asked, mirror, runs, batch=64)
    assert result.manifest is not None
    assert result.manifest["settings"]["batch"] == 4  # of four queries
    assert max(Slow.calls) > 1
    loaded, tables = shown(asked, [result], runs)
    assert all(figures.is_sustained for figures in loaded[0].figures)
    assert any("up to 4 waiting queries at a time" in line for line in tables["table"].context)


def test_the_search_finds_the_rate_of_a_server_of_one_second(tmp_path: Path, mirror: Path) -> None:
    asked, runs = experiment(tmp_path, f"[{SLOW}]", MORE), tmp_path / "runs"
    settings = Settings(rates=(0.25,), target_s=1.5, pattern="constant", arrivals=200, steps=6)
    results = under_load(asked, mirror, runs, settings)
    ((loaded,), tables) = shown(asked, results, runs)
    assert loaded.highest is not None
    assert 0.97 <= loaded.highest.rate <= 1.01
    assert any("holds a p99 of 1.5 s" in note for note in tables["table"].notes)


def test_a_query_that_fails_is_counted_with_its_reason_and_the_rate_does_not_hold(tmp_path: Path, mirror: Path) -> None:
    Slow.fails_at = "what is q2"
    asked, runs = experiment(tmp_path, f"[{SLOW}]", MORE), tmp_path / "runs"
    results = under_load(asked, mirror, runs)
    ((loaded,), tables) = shown(asked, results, runs)
    assert results[0].manifest is not None
    # Of 20 arrivals, after two of warm-up, every fourth is q2: 5 at 0.5/s. At 2/s those of n = 5, 9, 13, 17 come before the end, 21 not.
    assert [figures.failed for figures in loaded.figures] == [5, 4]
    assert results[0].manifest["errors"] == loaded.failed == 9
    assert loaded.highest is None
    note = "slow at 0.5/s: 5 of 20 arrivals failed, and are in no latency: the device is on fire"
    assert note in tables["table"].notes
    (cell, *_) = tables["highest"].rows[0].cells
    assert cell.status is Status.MISSING
    assert cell.reason == "no rate that was tried is sustained; the lowest was 0.5/s"


def test_a_run_in_which_queries_failed_ends_with_4_also_when_it_is_reused(tmp_path: Path, mirror: Path) -> None:
    Slow.fails_at = "what is q2"
    asked, runs = experiment(tmp_path, f"[{SLOW}]", MORE), tmp_path / "runs"
    for _ in range(2):
        results = under_load(asked, mirror, runs)
        loaded, _ = shown(asked, results, runs)
        assert exit_code(results, loaded, of_tables=0) == 4
    assert results[0].reused
    Slow.fails_at = ""
    well = under_load(asked, mirror, tmp_path / "others")
    assert exit_code(well, shown(asked, well, tmp_path / "others")[0], of_tables=0) == 0


def test_the_figure_has_the_rates_open_where_they_are_not_sustained_and_rings_the_highest_that_holds(tmp_path: Path, mirror: Path) -> None:
    asked, runs = experiment(tmp_path, f"[{SLOW}]", MORE), tmp_path / "runs"
    results = under_load(asked, mirror, runs, Settings(rates=(0.5, 2.0), target_s=1.5, pattern="constant", arrivals=20, warmup=2, steps=0))
    figure = load_figure(asked, loaded_runs(results, asked, runs))
    places = [(mark.series, mark.part, mark.x and float(mark.x)) for mark in figure.marks]
    at_half, at_two = (("p50", 0.5), ("p99", 0.5)), (("p50, not sustained", 2.0), ("p99, not sustained", 2.0))
    assert places == [("slow", *p) for p in (*at_half, *at_two, ("highest", 0.5))] + [("p99 target, 1.5 s", "level", None)]
    assert [float(m.y or 0) for m in figure.marks if m.x == Decimal("0.5") or m.x is None] == pytest.approx([1.0, 1.0, 1.0, 1.5])
    assert "Open marks" in figure.words()
    assert "Ringed: the highest rate that holds the target." in figure.words()


def test_where_all_fail_there_is_no_run_and_the_others_go_on(tmp_path: Path, mirror: Path) -> None:
    Slow.fails_at = "what is"
    other = "{name: other, ranker: {kind: listwise}, engine: {kind: scripted}}"
    asked, runs = experiment(tmp_path, f"[{SLOW}, {other}]", MORE), tmp_path / "runs"
    slow, scripted = results = under_load(asked, mirror, runs)
    assert "on fire" in str(slow.problem)
    assert scripted.manifest is not None
    loaded, tables = shown(asked, results, runs)
    assert tables["table"].exit_code() == 4
    figure = load_figure(asked, loaded)
    assert figure.exit_code() == 4
    assert "Not measured here: slow" in figure.words()


def test_all_systems_get_the_same_arrivals(tmp_path: Path, mirror: Path) -> None:
    other = "{name: other, ranker: {kind: embedding, end_token: ''}, engine: {kind: scripted}}"
    asked, runs = experiment(tmp_path, f"[{SLOW}, {other}]", MORE), tmp_path / "runs"
    one, two = under_load(asked, mirror, runs, Settings(rates=(0.5,), arrivals=30))
    assert one.folder is not None
    assert two.folder is not None
    assert [s.arrival for s in served_arrivals(one.folder)[0]] == [s.arrival for s in served_arrivals(two.folder)[0]]


def test_nothing_counts_in_too_few_seconds(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, f"[{SLOW}]", MORE)
    (result,) = under_load(asked, mirror, tmp_path / "runs", Settings(rates=(0.5,), pattern="constant", seconds=3.0))
    assert isinstance(result.problem, UsageError)
    assert "No arrival counts within --seconds 3" in str(result.problem)


def test_a_target_below_the_time_of_one_query_is_refused_before_any_rate(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, f"[{SLOW}]", MORE)
    (result,) = under_load(asked, mirror, tmp_path / "runs", Settings(target_s=1e-9))
    assert "No rate can hold a p99 of 1e-09 s: a query that is ranked alone takes" in str(result.problem)


def test_changed_arrivals_are_noticed(tmp_path: Path, mirror: Path) -> None:
    asked, runs = experiment(tmp_path, f"[{SLOW}]", MORE), tmp_path / "runs"
    (first,) = under_load(asked, mirror, runs)
    assert first.folder is not None
    file = first.folder / "arrivals.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"error":""', b'"error":"x"', 1))
    (again,) = under_load(asked, mirror, runs)
    assert "not as it was when the run was completed" in str(again.problem)
    file.write_bytes(b"{}\n")
    with pytest.raises(StoreError, match=r"arrivals\.jsonl:1: not an arrival"):
        served_arrivals(first.folder)


def test_a_killed_run_is_unfinished_and_begins_again(tmp_path: Path) -> None:
    config, runs = tmp_path / "kill.yaml", tmp_path / "runs"
    system = "{name: x, ranker: {kind: listwise}, engine: {kind: scripted, delay_s: 0.002}}"
    config.write_text(f"title: t\nbenchmarks: [mini]\n{MORE}\nsystems: [{system}]\n", encoding="utf-8")
    rates = ",".join(map(str, range(200, 800, 15)))
    command = [sys.executable, "-m", "rerankbench", "load", str(config), "--runs", str(runs), "--rates", rates, "--arrivals", "10"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "eval"), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    while not (written := list(runs.rglob("arrivals.jsonl"))) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (file,) = written
    assert not (file.parent / "manifest.json").exists()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert (file.parent / "manifest.json").is_file(), done.stderr
    found = [[s.arrival.number for s in of_rate] for of_rate in served_arrivals(file.parent)]
    assert found == [list(range(15))] * 40  # each once: nothing of the stopped run is left


def test_a_server_gets_many_ranker_calls_at_once(tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_keys(monkeypatch)
    alone, pair = 4, Barrier(2)  # one query of the warm-up and three after it are ranked alone

    def answer(asked: Asked) -> Says:
        if asked.number >= alone:
            pair.wait(timeout=60)  # nothing is answered before another one is under way
        return chat("[2] > [1] > [3] > [4] > [5]")

    with serving(answer) as server:
        part = {"kind": "openai", "base_url": server.url, "model": "tiny", "retries": 0}
        systems = orjson.dumps([{"name": "served", "ranker": {"kind": "listwise"}, "engine": part}]).decode()
        asked, runs = experiment(tmp_path, systems, MORE), tmp_path / "runs"
        planner = Planner(TinyBenchmarks(mirror), runs)
        settings = Settings(rates=(50.0,), arrivals=20, warmup=2, steps=0)
        results = LoadLaboratory(planner, runs, settings, Quiet(), in_flight=4, batch=8, pace=WallPace()).run(asked)
    assert results[0].manifest is not None, results[0].problem
    assert results[0].manifest["settings"]["workers"] == 4
    assert results[0].manifest["settings"]["batch"] == 1
    assert results[0].manifest["engine_account"]["spent"]["requests"] == alone + 22
    assert results[0].manifest["errors"] == 0
    ((loaded,), tables) = shown(asked, results, runs)
    assert (loaded.figures[0].arrivals, loaded.figures[0].unfinished) == (20, 0)
    assert any("up to 4 queries under way at once" in line for line in tables["table"].context)


def test_errors_of_a_server_are_shown_with_what_it_says(tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_keys(monkeypatch)
    bad = Says({"error": {"message": "out of memory", "type": "x", "param": None, "code": None}}, 400)
    turns = cycle([chat("[1] > [2] > [3] > [4] > [5]")] * 4)

    with serving(lambda asked: bad if asked.number == 10 else next(turns)) as server:
        part = {"kind": "openai", "base_url": server.url, "model": "tiny", "retries": 0}
        systems = orjson.dumps([{"name": "served", "ranker": {"kind": "listwise"}, "engine": part}]).decode()
        asked, runs = experiment(tmp_path, systems, MORE), tmp_path / "runs"
        planner = Planner(TinyBenchmarks(mirror), runs)
        settings = Settings(rates=(50.0,), arrivals=20, warmup=0, steps=0)
        results = LoadLaboratory(planner, runs, settings, Quiet(), in_flight=2, batch=1).run(asked)
    ((loaded,), tables) = shown(asked, results, runs)
    assert loaded.figures[0].failed == 1
    assert any("out of memory" in note for note in tables["table"].notes)

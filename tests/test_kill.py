"""A run that is killed at random moments and started again ends as if it had never been stopped."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from rerankbench.benchmarks import Benchmarks
from rerankbench.clock import Clock
from rerankbench.config import load_experiment
from rerankbench.engines.recorder import Recorder
from rerankbench.plan import ranker_class
from rerankbench.protocols import Parts
from rerankbench.records import Prompt
from rerankbench.store import without_measured_times

KILLS = 12
RANKERS = {
    "listwise": "{kind: listwise, window: 20, step: 10}",
    "embedding": "{kind: embedding, end_token: ''}",
}


# Queries that a start may finish before it is killed: some are killed before their first, and twelve starts never finish all 28.
PROGRESS = {"listwise": (0, 2), "embedding": (0, 1, 1)}


def _config(folder: Path, ranker: str) -> Path:
    """Slow enough that a batch takes longer than the kill waits after it saw one finished."""
    path = folder / "kill.yaml"
    delay = 0.03 if ranker == "listwise" else 0.006
    batch = 2 if ranker == "listwise" else 1
    engine = f"{{kind: scripted, mode: noisy, delay_s: {delay}, log: {folder}/asked.log}}"
    system = f"{{name: x, ranker: {RANKERS[ranker]}, engine: {engine}}}"
    path.write_text(f"title: t\nbenchmarks: [mini]\ndepth: 50\nbatch_queries: {batch}\nsystems: [{system}]\n", encoding="utf-8")
    return path


def _start(config: Path, runs: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rerankbench", "run", str(config), "--runs", str(runs)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "eval")}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)


def _wait_for_progress(process: subprocess.Popen[bytes], runs: Path, queries: int) -> None:
    while len(_finished(runs)) < queries and process.poll() is None:
        time.sleep(0.005)


def _finished(runs: Path) -> list[str]:
    """Queries whose line in the journal is whole."""
    lines = [line for journal in runs.rglob("rankings.jsonl") for line in journal.read_bytes().split(b"\n")[:-1]]
    return [orjson.loads(line)["query_id"] for line in lines]


def _log_line(kind: str, prompt: Prompt) -> str:
    text = prompt if isinstance(prompt, str) else "\x1e".join(f"{m.role}\x1f{m.content}" for m in prompt.messages)
    return f"{kind} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _asked(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines() if log.is_file() else []


@pytest.mark.parametrize("ranker", RANKERS)
def test_a_run_killed_again_and_again_ends_like_one_that_was_never_stopped(tmp_path: Path, ranker: str) -> None:
    config, runs, log = _config(tmp_path, ranker), tmp_path / "killed", tmp_path / "asked.log"
    undisturbed = tmp_path / "undisturbed"
    process = _start(config, undisturbed)
    assert process.wait() == 0, process.stderr and process.stderr.read()
    first_asked = _first_requests(config, _asked(log))
    log.unlink()

    dice = random.Random(ranker)
    for _ in range(KILLS):
        finished, asked_before = _finished(runs), len(_asked(log))
        process = _start(config, runs)
        _wait_for_progress(process, runs, len(finished) + dice.choice(PROGRESS[ranker]))
        time.sleep(dice.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.stderr and process.stderr.read()
        again = {first_asked[q] for q in finished} & set(_asked(log)[asked_before:])
        assert not again, "a finished query was asked of the engine again"
    process = _start(config, runs)
    assert process.wait() == 0, process.stderr and process.stderr.read()

    _assert_same_results(undisturbed, runs)


def _first_requests(config: Path, logged: list[str]) -> dict[str, str]:
    """Query → the log line of a request that only this query makes, checked against a real log."""
    experiment = load_experiment(str(config))
    (system,) = experiment.systems
    benchmark = Benchmarks(None).open("mini")
    lines = {}
    for candidates in benchmark.candidates("bm25", 50):
        recorder = Recorder()
        ranker = ranker_class(system).build(system.ranker.options, Parts("mini", recorder, benchmark.qrels, Clock()))
        ranker.rank([candidates])  # type: ignore[attr-defined]  # see protocols.Ranker
        prompt = recorder.prompted[0] if recorder.prompted else recorder.embedded[-1][0]
        lines[candidates.query.id] = _log_line("generate" if recorder.prompted else "embed", prompt)
    assert set(lines.values()) <= set(logged), "the test's idea of a log line is not the engine's"
    return lines


def _assert_same_results(undisturbed: Path, killed: Path) -> None:
    (one,), (other,) = ([p.parent for p in runs.rglob("manifest.json")] for runs in (undisturbed, killed))
    assert one.name == other.name
    for name in ("run.trec", "measurements.jsonl", "config.yaml"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    rankings = [[without_measured_times(orjson.loads(x)) for x in (p / "rankings.jsonl").read_bytes().splitlines()] for p in (one, other)]
    assert rankings[0] == rankings[1]
    assert len(rankings[0]) == len(Benchmarks(None).open("mini").candidates("bm25", 50))
    timed = [{q for line in (p / "spans.jsonl").read_bytes().splitlines() for q in orjson.loads(line)["query_ids"]} for p in (one, other)]
    assert timed[0] == timed[1]

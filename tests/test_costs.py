"""How long a run will take, from runs that were timed: exact where times are exact, and its error is what it is really off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from laboratory import experiment, plan, run, write_mirror
from rerankbench.cli.run import duration
from rerankbench.costs import Costs, Point, fit, total
from rerankbench.protocols import Workload

SCRIPTED = "{name: x, ranker: {kind: embedding, documents_in_prompt: %d}, engine: {kind: scripted}}"


def points(seconds: tuple[float, float, float], noise: float = 0.0, count: int = 40) -> list[Point]:
    """Batches of different make-up whose times follow a law of known coefficients, off by at most `noise` of each."""
    draw = np.random.default_rng(0)
    made = []
    for _ in range(count):
        words, new_tokens, prompts = (int(n) for n in draw.integers((1_000, 0, 1), (50_000, 900, 40)))
        exact = words * seconds[0] + new_tokens * seconds[1] + prompts * seconds[2]
        made.append(Point(Workload(prompts=prompts, words=words, new_tokens=new_tokens), exact * (1 + noise * draw.uniform(-1, 1))))
    return made


def test_times_that_follow_the_law_are_told_exactly_for_what_was_never_run() -> None:
    model = fit(points((2e-5, 0.01, 0.003)))
    assert model is not None
    # 100,000 words, 5,000 new tokens, 300 prompts: 2 + 50 + 0.9
    assert model.seconds(Workload(prompts=300, words=100_000, new_tokens=5_000)) == pytest.approx(52.9)
    assert model.error == pytest.approx(0, abs=1e-9)


def test_the_error_is_what_predictions_of_unseen_batches_are_off() -> None:
    model = fit(points((2e-5, 0.01, 0.003), noise=0.2, count=400))
    assert model is not None
    # Off by a uniform share of up to 20 % either way: the median of that is 10 %.
    assert model.error == pytest.approx(0.1, abs=0.02)
    assert model.per_new_token == pytest.approx(0.01, rel=0.05)


def test_no_part_of_a_time_is_negative_and_a_count_that_never_occurs_costs_nothing() -> None:
    model = fit([Point(Workload(prompts=n, words=100 * n), 0.5 * n) for n in (1, 2, 4, 8)])
    assert model is not None
    assert min(model.per_word, model.per_new_token, model.per_input) >= 0
    assert model.per_new_token == 0
    assert model.seconds(Workload(prompts=16, words=1600)) == pytest.approx(8)


def test_the_error_is_told_by_whole_runs_where_there_are_several() -> None:
    """Three runs whose machine was twice as slow in one of them: within a run all is exact, between them it is not."""
    batches = [
        Point(Workload(prompts=n, words=100 * n), n * speed, run) for run, speed in (("a", 1), ("b", 1), ("c", 2)) for n in (1, 2, 3)
    ]
    alone = fit([point for point in batches if point.run == "a"])
    together = fit(batches)
    assert alone is not None
    assert together is not None
    assert alone.error == pytest.approx(0, abs=1e-9)
    assert (alone.runs, together.runs) == (1, 3)
    # Relative least squares of speeds 1 and 2 give x = (1 + 1/2) / (1 + 1/4) = 1.2, so a and b are 20 % off; c, told by a and b, 50 %.
    assert together.error == pytest.approx(0.2)


def test_two_points_predict_nothing() -> None:
    assert fit(points((1e-5, 0, 0), count=2)) is None
    assert fit([Point(Workload(), 1.0)] * 5) is None  # nothing was asked of an engine


def test_a_prediction_says_when_it_leads_beyond_all_that_was_timed() -> None:
    """Timed with 10 documents, asked for 100: the case in which a prediction was off by a factor of two."""
    ten = [Point(Workload(prompts=4, texts=40, words=4 * words), 1.0, queries=4) for words in (600, 700, 800)]
    model = fit(ten)
    assert model is not None
    assert model.timed() == "600–800 words, 11 inputs"
    # 43 queries: 300,000 / 43 = 6,977 words, and 101 inputs, each.
    hundred = Workload(prompts=43, texts=4300, words=300_000)
    assert model.beyond(hundred, 43) == ("6,977 words a query, timed were 600–800", "101 inputs a query, timed were 11")
    assert model.beyond(Workload(prompts=2, texts=20, words=2 * 1_200), 2) == ()  # half as much again as the most
    assert model.beyond(Workload(prompts=2, texts=20, words=2 * 1_201), 2) == ("1,201 words a query, timed were 600–800",)
    assert model.beyond(Workload(prompts=2, texts=20, words=2 * 399), 2) == ("399 words a query, timed were 600–800",)
    # What no point has costs nothing by the model, which is no prediction.
    assert model.beyond(Workload(prompts=1, texts=10, words=700, new_tokens=90), 1) == ("90 new tokens a query, timed were 0",)


def test_passes_of_one_run_are_one_and_do_not_make_its_error_small(tmp_path: Path) -> None:
    mirror, runs = write_mirror(tmp_path / "mirror"), tmp_path / "runs"
    more = "depth: 5\nlayout: latency\nbatch_queries: 1\nwarmup: 0\npasses: 2"
    first, second = run(experiment(tmp_path, f"[{SCRIPTED % 1}]", more), mirror, runs)
    for result in (first, second):
        assert result.folder is not None
        assert result.manifest is not None
        assert [point["queries"] for point in result.manifest["points"]] == [1, 1, 1, 1]
        _with_seconds(result.folder, 0.5, answers={})
    predicted = Costs(runs).of(plan(experiment(tmp_path, f"[{SCRIPTED % 3}]", "depth: 5"), mirror, runs)[0])
    assert predicted is not None
    assert (predicted[1].points, predicted[1].runs) == (8, 1)


def _with_seconds(folder: Path, seconds: float, **changes: Any) -> None:
    """Rewrite what the manifest says of times, as another machine or another speed would have it."""
    file = folder / "manifest.json"
    manifest = orjson.loads(file.read_bytes())
    manifest["points"] = [{**point, "seconds": seconds * point["words"]} for point in manifest["points"]]
    file.write_bytes(orjson.dumps({**manifest, **changes}))


def test_a_planned_run_is_predicted_from_complete_ones_of_its_engine(tmp_path: Path) -> None:
    mirror, runs = write_mirror(tmp_path / "mirror"), tmp_path / "runs"
    done = experiment(tmp_path, f"[{SCRIPTED % 1}]", "depth: 5\nbatch_queries: 1")
    (result,) = run(done, mirror, runs)
    assert result.folder is not None
    assert result.manifest is not None
    assert len(result.manifest["points"]) == 4  # a batch a query
    _with_seconds(result.folder, 0.5, answers={})
    (planned,) = plan(experiment(tmp_path, f"[{SCRIPTED % 3}]", "depth: 5"), mirror, runs)
    predicted = Costs(runs).of(planned)
    assert predicted is not None
    seconds, model = predicted
    assert seconds == pytest.approx(0.5 * planned.workload.words)
    assert model.points == 4
    assert total([predicted, predicted])[0] == pytest.approx(2 * seconds)


def test_other_engines_other_machines_and_kept_answers_tell_nothing(tmp_path: Path) -> None:
    mirror, runs = write_mirror(tmp_path / "mirror"), tmp_path / "runs"
    (result,) = run(experiment(tmp_path, f"[{SCRIPTED % 1}]", "depth: 5\nbatch_queries: 1"), mirror, runs)
    assert result.folder is not None
    (planned,) = plan(experiment(tmp_path, f"[{SCRIPTED % 3}]", "depth: 5"), mirror, runs)
    # The second query's documents were embedded for the first one: nearly half of the answers were kept in memory.
    assert Costs(runs).of(planned) is None
    _with_seconds(result.folder, 0.5, answers={})
    assert Costs(runs).of(planned) is not None
    (other,) = plan(experiment(tmp_path, f"[{SCRIPTED.replace('scripted', 'scripted, seed: 7') % 3}]", "depth: 5"), mirror, runs)
    assert Costs(runs).of(other) is None
    elsewhere = orjson.loads((result.folder / "manifest.json").read_bytes())["environment"]
    _with_seconds(result.folder, 0.5, environment={**elsewhere, "hardware": {**elsewhere["hardware"], "cpu": "another"}})
    assert Costs(runs).of(planned) is None


def test_queries_that_keep_nothing_for_the_next_one_are_planned_one_by_one(tmp_path: Path) -> None:
    mirror, runs = write_mirror(tmp_path / "mirror"), tmp_path / "runs"
    more = "depth: 5\nbatch_queries: 1\nlayout: latency\ntimings: [cold, documents-warm, throughput]\nat_once: [all, 2]"
    planned = plan(experiment(tmp_path, f"[{SCRIPTED % 1}]", more), mirror, runs)
    # Five documents a query, two of which all four share: 4 × 5 cold; 2 + 4 × 3 once each; two at once, 2 × (2 + 2 × 3).
    assert [(p.cell.timing, p.cell.at_once, p.workload.texts, p.workload.prompts) for p in planned] == [
        ("cold", None, 20, 4),
        ("documents-warm", None, 14, 4),
        ("throughput", None, 14, 4),
        ("throughput", 2, 16, 4),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "< 1 s"), (12.4, "12 s"), (59.4, "59 s"), (200, "3 min"), (7_500, "2 h 05 min"), (5_000_000, "1,388 h 53 min")],
)
def test_a_duration_is_as_rough_as_a_prediction(seconds: float, text: str) -> None:
    assert duration(seconds) == text

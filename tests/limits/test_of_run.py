"""Limits of stored runs by hand, and runs that tell none.

The shape: 2 layers, 128 numbers a state, 384 within the unit, 4 heads of 32 that share 2 keys and values, 151,936 words, tied.
A layer's matrices: 128 x (128 + 64 + 64) + 128 x 128 + 3 x 128 x 384 = 196,608; both: 393,216. Norms: 2 x (2 x 128 + 2 x 32) + 128 = 768.
A rate of 1e9 operations and 1e9 bytes a second makes each number of the one and of the other a nanosecond.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from limit_runs import (
    E2RANK,
    E2RANK_SECONDS,
    EMBEDDING,
    HARDWARE,
    LISTWISE,
    RANKQWEN3,
    RANKQWEN3_SECONDS,
    TINY,
    call,
    manifest_of,
    peaks,
    write_run,
)
from rerankbench.errors import DataError, MeasureError, MissingError, MissingWeights, RerankbenchError, StoreError, UsageError
from rerankbench.limits import RunLimits, limits_of_run, read_shape, shape_of_run
from rerankbench.limits import manifest_of as read_manifest_of
from rerankbench.store import read_manifest

# 20 tokens in two documents of 10: 2 x 393,216 x 20 in the layers; 2 x (1 + … + 10) = 110 pairs, 4 x 128 x 2 each.
DOCUMENTS_S = (15_728_640 + 112_640) / 1e9
# 30 tokens: 2 x 393,216 x 30; 1 + … + 30 = 465 pairs.
PROMPT_S = (23_592_960 + 476_160) / 1e9
# Three vectors of 128 numbers are read and two scores written, four bytes each; 512 operations are less.
SCORE_S = 4 * (3 * 128 + 2) / 1e9


def _limits(run: Path, flops_per_s: float = 1e9, bytes_per_s: float = 1e9) -> RunLimits:
    manifest = read_manifest(run)
    assert manifest is not None
    return limits_of_run(run, shape_of_run(manifest), peaks(flops_per_s, bytes_per_s))


def test_an_embedding_ranker_by_hand(tmp_path: Path) -> None:
    found = _limits(write_run(tmp_path / "run", queries=("q1", "q2")))
    bounds = {p.name: p.bound for p in found.phases}
    assert list(bounds.items()) == [
        ("build prompt", ""),
        ("encode documents", "compute"),
        ("encode prompt", "compute"),
        ("score", "memory"),
        ("the rest", ""),
        ("overall", "compute"),
    ]
    assert [p.measured_s for p in found.phases] == pytest.approx([0.004, 0.05, 0.04, 0.001, 0.005, 0.1])
    limit = {p.name: p.limit_s for p in found.phases}
    assert limit == pytest.approx(
        {
            "build prompt": 0.0,
            "encode documents": DOCUMENTS_S,
            "encode prompt": PROMPT_S,
            "score": SCORE_S,
            "the rest": 0.0,
            "overall": DOCUMENTS_S + PROMPT_S + SCORE_S,
        }
    )
    assert (found.queries, found.dtype, found.caveat) == (2, "float32", "random weights")
    assert found.notes == ("the documents of a list are taken to be equally long, which needs the least attention",)


def test_documents_at_hand_need_no_work(tmp_path: Path) -> None:
    identity = {**manifest_of()["identity"], "timed": {"as": "documents-warm"}}
    answers = {"embed": {"asked": 3, "computed": 1, "memory": 0, "disk": 0, "preloaded": 2}}
    found = _limits(write_run(tmp_path / "run", manifest_of(identity=identity, answers=answers)))
    limit = {p.name: p.limit_s for p in found.phases}
    assert limit["encode documents"] == 0
    assert limit["encode prompt"] == pytest.approx(PROMPT_S)
    assert limit["overall"] == pytest.approx(PROMPT_S + SCORE_S)


def test_a_text_that_comes_twice_is_encoded_once(tmp_path: Path) -> None:
    calls = (call("encode documents", 20, batch_size=1), call("encode prompt", 30))
    found = _limits(write_run(tmp_path / "run", calls=calls))
    # One document of 10 tokens: 2 x 393,216 x 10 and 55 pairs.
    assert {p.name: p.limit_s for p in found.phases}["encode documents"] == pytest.approx((7_864_320 + 55 * 1024) / 1e9)
    assert found.notes[1].startswith("1 documents had the text of another one")


def test_a_listwise_ranker_by_hand(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", manifest_of(LISTWISE), RANKQWEN3, RANKQWEN3_SECONDS)
    phases = {p.name: p for p in _limits(run).phases}
    weights = (393_216 + 768 + 151_936 * 128) * 4  # the head is the table
    cached = 2 * 2 * 64 * 4  # of a token: keys and values of 64 numbers in two layers
    reading_s = (weights + 30 * 128 * 4 + 30 * cached) / 1e9
    # The first token comes with the prompt. Two steps: 30 tokens before and its own, then 31.
    writing_s = (2 * weights + 2 * 128 * 4 + (31 + 32) * cached) / 1e9
    assert phases["reading prompts"].limit_s == pytest.approx(reading_s)
    assert phases["writing answers"].limit_s == pytest.approx(writing_s)
    assert phases["generate"].limit_s == phases["overall"].limit_s == pytest.approx(reading_s + writing_s)
    assert phases["generate"].bound == "memory"
    # 2 x 393,216 x 30 and 465 pairs, and 2 x 151,936 x 128 for the one word: products are the limit where bytes are for nothing.
    fast = {p.name: p for p in _limits(run, bytes_per_s=1e30).phases}
    assert fast["reading prompts"].limit_s == pytest.approx((23_592_960 + 476_160 + 38_895_616) / 1e9)
    assert fast["writing answers"].limit_s == pytest.approx((2 * 786_432 + 63 * 1024 + 2 * 38_895_616) / 1e9)
    assert [(p.part, p.measured_s) for p in (phases["reading prompts"], phases["writing answers"])] == [(True, None)] * 2


def test_a_call_that_tells_its_first_token_splits_the_phase(tmp_path: Path) -> None:
    calls = [{**call("window 2-3", 30, answer=3), "first_token_s": 0.1}, {**call("window 1-2", 30, answer=3), "first_token_s": 0.05}]
    run = write_run(tmp_path / "run", manifest_of(LISTWISE), calls, RANKQWEN3_SECONDS, queries=("q1", "q2"))
    phases = {p.name: p for p in _limits(run).phases}
    # Of 0.5 s of the phase a query.
    assert phases["reading prompts"].measured_s == pytest.approx(0.15)
    assert phases["writing answers"].measured_s == pytest.approx(0.35)
    assert all(phases[part].part for part in ("reading prompts", "writing answers"))
    silent = write_run(tmp_path / "silent", manifest_of(LISTWISE), [calls[0], *RANKQWEN3], RANKQWEN3_SECONDS)
    assert {p.measured_s for p in _limits(silent).phases if p.part} == {None}


def test_an_order_that_is_read_from_the_first_token_is_not_written(tmp_path: Path) -> None:
    seconds = {"build prompt": 0.01, "score": 0.5, "rank": 0.6}
    run = write_run(tmp_path / "run", manifest_of({**LISTWISE, "decoding": "first-token"}), (call("window 1-2", 30, 1),), seconds)
    found = _limits(run, bytes_per_s=1e30)
    assert {p.name: p.limit_s for p in found.phases}["score"] == pytest.approx((23_592_960 + 476_160 + 38_895_616) / 1e9)
    assert not any(p.part for p in found.phases)


def test_a_run_that_beats_its_limit_says_so(tmp_path: Path) -> None:
    notes = _limits(write_run(tmp_path / "run"), flops_per_s=1e8).notes
    assert any(note.startswith("beyond the limit: encode documents, encode prompt, overall. ") for note in notes)


def test_a_run_that_was_stopped_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", manifest_of(queries=2, queries_before_last_start=1), queries=("q1", "q2"))
    assert _limits(run).notes[-1] == "stopped after 1 of 2 queries and continued"


KEPT = {"embed": {"asked": 3, "computed": 1, "memory": 0, "disk": 2, "preloaded": 0}}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"engine": {**TINY, "prefix_caching": True}}, "prefix_caching"),
        ({"engine": {**TINY, "tensor_parallel": 2}}, "split over several devices"),
        ({"engine": {**TINY, "dtype": "bfloat16"}}, "in bfloat16, the calibration on Abacus, 4 cores in float32"),
        ({"engine": {**TINY, "dtype": "float8"}}, "float8"),
        ({"environment": {"hardware": {**HARDWARE, "gpus": ["H100"]}}}, "made on H100 in float32, the calibration on Abacus"),
        ({"answers": KEPT}, "2 answers were kept from elsewhere"),
        ({"ranker": {"kind": "setwise"}}, "'setwise' is not counted"),
        ({"ranker": LISTWISE}, "2 calls at a time"),
    ],
)
def test_a_run_whose_work_is_not_known_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(MeasureError, match=said):
        _limits(write_run(tmp_path / "run", manifest_of(**changed)))


def test_queries_together_tell_no_limit(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="2 queries at a time: throughput, not latency"):
        _limits(write_run(tmp_path / "run", queries=("q1", "q2"), together=True))


@pytest.mark.parametrize(
    ("calls", "seconds", "said"),
    [
        (({**E2RANK[0], "prompt_tokens": 0}, E2RANK[1]), E2RANK_SECONDS, "'q1', 'encode documents': the engine counted no tokens"),
        ((*E2RANK, call("window 1-2", 3)), E2RANK_SECONDS, "'window 1-2' is no phase of an embedding ranker"),
        (E2RANK, {"encode documents": 0.05, "rank": 0.1}, "no seconds of 'encode prompt', 'score'"),
    ],
)
def test_calls_that_do_not_fit_are_refused(tmp_path: Path, calls: Any, seconds: dict[str, float], said: str) -> None:
    with pytest.raises(MeasureError, match=said):
        _limits(write_run(tmp_path / "run", calls=calls, seconds=seconds))


def test_what_is_no_complete_run_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with pytest.raises(MissingError, match="There is no run folder"):
        read_manifest_of(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is a file"):
        read_manifest_of(run / "spans.jsonl")
    (run / "manifest.json").write_bytes(orjson.dumps({"files": {}}))
    with pytest.raises(StoreError, match="does not tell"):
        read_manifest_of(run)
    (run / "manifest.json").unlink()
    with pytest.raises(MissingError, match="holds no complete run"):
        read_manifest_of(run)


OF_THE_HUB = {"kind": "vllm", "model": "some/model"}


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"engine": None}, UsageError, "'none' of this run names no model"),
        ({"engine": {"kind": "lexical"}}, UsageError, "'lexical' of this run names no model"),
        ({"identity": {"engine": {"shape_sha256": "0" * 64}}}, DataError, "not the shape that this run was made with"),
        (
            {"engine": {"kind": "vllm", "model": "some/model"}, "identity": {"engine": {"hub_commit": "a" * 40}}},
            MissingWeights,
            "some/model",
        ),
    ],
)
def test_a_model_without_a_shape_is_named(
    changed: dict[str, Any], error: type[RerankbenchError], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-hub"))
    with pytest.raises(error, match=said):
        shape_of_run(manifest_of(**changed))


def test_a_models_folder_tells_its_shape_and_its_type(tmp_path: Path) -> None:
    from rerankbench.engines.random_weights import shape_file
    from rerankbench.limits import dtype_of_run

    config = orjson.loads(shape_file("qwen3-tiny").read_bytes())
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_bytes(orjson.dumps({**config, "torch_dtype": "bfloat16"}))
    manifest = manifest_of(EMBEDDING, {"kind": "transformers", "model": str(tmp_path / "model"), "dtype": "auto"})
    shape = shape_of_run(manifest)
    assert shape.parameters == read_shape(shape_file("qwen3-tiny")).parameters
    assert dtype_of_run(manifest, shape) == "bfloat16"

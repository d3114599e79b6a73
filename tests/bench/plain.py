"""What one would write instead: the loops of the papers' own code, a query at a time, against the libraries themselves.

E2Rank's evaluation: for each query its documents, then its prompt. RankGPT's and LLM4Ranking's: for each query one window after the
other. Texts go in as strings, as there; nothing is reused between queries.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rerankbench.protocols import Floats
from rerankbench.records import CandidateList

END = "<|endoftext|>"
IN_ORDER = 32
"""Documents a padded batch where nothing is sorted by length."""

Embed = Callable[[list[str]], Floats]
Answer = Callable[[str], str]


def e2rank(embed: Embed, tokenizer: Any, lists: Sequence[CandidateList], shown: int = 20) -> list[list[int]]:
    """Returns: the order of each list, as positions."""
    orders = []
    for candidates in lists:
        texts = [" ".join(d.contents.split()[:1024]) for d in candidates.documents]
        documents = embed([text + END for text in texts])
        numbered = "\n".join(f"[{i}] {text}" for i, text in enumerate(texts[:shown], start=1))
        task = "Given a web search query and some relevant documents, rerank the documents that answer the query:"
        prompt = chat(tokenizer, f"{task}\nDocuments:\n{numbered}\nSearch Query: {candidates.query.text}")
        scores = documents @ embed([prompt])[0]
        orders.append(np.argsort(-scores, kind="stable").tolist())
    return orders


def windows(answer: Answer, tokenizer: Any, lists: Sequence[CandidateList]) -> list[list[int]]:
    """RankQwen3's sliding windows of 20, moved by 10, from the back. Returns: the order of each list, as positions."""
    orders = []
    for candidates in lists:
        texts = [" ".join(d.contents.split()[:300]) for d in candidates.documents]
        order = list(range(len(texts)))
        end = len(order)
        while end > 0:
            start = max(0, end - 20)
            window = order[start:end]
            prompt = window_prompt(candidates.query.text, [texts[p] for p in window])
            order[start:end] = [window[i] for i in _read(answer(chat(tokenizer, prompt)), len(window))]
            end = end - 10 if start else 0
        orders.append(order)
    return orders


def window_prompt(query: str, passages: Sequence[str]) -> str:
    shown = "\n\n".join(f"[{i}] {text}" for i, text in enumerate(passages, start=1))
    n = len(passages)
    return (
        f"I will provide you with {n} passages, each indicated by a numerical identifier []. Rank the passages based on their relevance to "
        f"the search query: {query}.\n\n{shown}\n\nSearch Query: {query}.\nRank the {n} passages above based on their relevance to the "
        "search query. All the passages should be included and listed using identifiers, in descending order of relevance. The output "
        "format should be [] > [] > ..., e.g., [4] > [2] > ..., Only respond with the ranking results, do not say anything else or explain."
    )


def chat(tokenizer: Any, content: str) -> str:
    turns = [{"role": "user", "content": content}]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, enable_thinking=False))


def _read(answer: str, size: int) -> list[int]:
    said = [int(word) - 1 for word in "".join(c if c.isdigit() else " " for c in answer).split() if len(word) < 4]
    given = list(dict.fromkeys(p for p in said if 0 <= p < size))
    return given + [p for p in range(size) if p not in given]


@dataclass
class PaddedTransformers:
    """The library in its plainest use: batches of `IN_ORDER` texts in the order in which they come, padded to the longest."""

    folder: Path
    dtype: str
    device: str

    def __post_init__(self) -> None:
        import torch
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        auto: Any = AutoModel
        torch.manual_seed(0)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(self.folder, padding_side="left")
        with torch.device(self.device):
            self._model = auto.from_config(AutoConfig.from_pretrained(self.folder), dtype=getattr(torch, self.dtype)).eval()

    def embed(self, texts: list[str]) -> Floats:
        import torch

        rows = []
        with torch.inference_mode():
            for start in range(0, len(texts), IN_ORDER):
                batch = self.tokenizer(texts[start : start + IN_ORDER], padding=True, return_tensors="pt").to(self.device)
                states = self._model(**batch).last_hidden_state[:, -1]
                rows.append(torch.nn.functional.normalize(states.float(), dim=1).cpu().numpy())
        return np.concatenate(rows)

    def close(self) -> None:
        del self._model
        gc.collect()


@dataclass
class StringsToVllm:
    """vLLM as the authors use it: strings in, prefix caching on."""

    folder: Path
    dtype: str
    task: str
    max_new_tokens: int
    memory_share: float
    enforce_eager: bool

    def __post_init__(self) -> None:
        from vllm import LLM

        pooling = {"runner": "pooling", "convert": "embed", "pooler_config": _last_token()} if self.task == "embed" else {}
        self._llm = LLM(
            model=str(self.folder),
            dtype=self.dtype,
            load_format="dummy",
            max_model_len=8192,
            enable_prefix_caching=True,
            gpu_memory_utilization=self.memory_share,
            enforce_eager=self.enforce_eager,
            **pooling,
        )
        self.tokenizer: Any = self._llm.get_tokenizer()

    def embed(self, texts: list[str]) -> Floats:
        return np.asarray([o.outputs.embedding for o in self._llm.embed(texts, use_tqdm=False)], dtype=np.float32)

    def answer(self, prompt: str) -> str:
        from vllm import SamplingParams

        settings = SamplingParams(temperature=0, max_tokens=self.max_new_tokens)
        return str(self._llm.generate([prompt], settings, use_tqdm=False)[0].outputs[0].text)

    def close(self) -> None:
        import torch

        self._llm.llm_engine.engine_core.shutdown()
        del self._llm
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _last_token() -> Any:
    from dataclasses import fields

    from vllm.config import PoolerConfig

    names = {f.name for f in fields(PoolerConfig)}
    return PoolerConfig(**{"seq_pooling_type" if "seq_pooling_type" in names else "pooling_type": "LAST"})

"""jina-reranker-v3: a Qwen3 that reads a query and all its documents in one text, and is asked what it makes of each ("last but not late").

Written after the model's published modeling.py, without running it: chat, special tokens and projector are facts of that file (commit
050e171, as copied in public repositories). The model card says that the projector ends in 256 dimensions, the code in 512; here the
weights decide. Not verified against published scores: no weights were at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from rerankbench.engines import weights
from rerankbench.engines.local_model import EXTRA
from rerankbench.engines.transformers_batches import plan_batches
from rerankbench.engines.transformers_local import TransformersEngine, TransformersOptions
from rerankbench.errors import EngineError
from rerankbench.protocols import Doubles

if TYPE_CHECKING:
    import torch

DOCUMENT_END = "<|embed_token|>"
QUERY_END = "<|rerank_token|>"
_SYSTEM = (
    "You are a search relevance expert who can determine a ranking of the passages based on how relevant they are to the query. "
    "If the query is a question, how relevant a passage is depends on how well it answers the question. "
    "If not, try to analyze the intent of the query and assess how well each passage satisfies the intent. "
    "If an instruction is provided, you should follow the instruction when determining the ranking."
)
_PROJECTOR = ("projector.0.weight", "projector.2.weight")


class JinaOptions(TransformersOptions):
    """
    Attributes:
        max_tokens: The longest text: a query with all its documents.
        instruction: What is told to the model besides; empty: nothing.
    """

    max_tokens: int = Field(default=131_072, ge=1)
    instruction: str = ""


class JinaEngine(TransformersEngine):
    """jina-reranker-v3: the documents of a list read together, and scored at their last tokens.

    Raises:
        EngineError: the tokenizer lacks the two tokens at which the model is asked, or the model is no decoder.
    """

    Options: ClassVar = JinaOptions
    name: ClassVar[str] = "jina"
    caveat: ClassVar[str] = ""

    def __init__(self, options: JinaOptions) -> None:
        super().__init__(options)
        self._instruction = options.instruction
        self._document_end, self._query_end = (self._special(token) for token in (DOCUMENT_END, QUERY_END))
        self._projector: tuple[torch.Tensor, ...] | None = None
        if self._kind != "decoder":
            raise EngineError(f"Model {options.model!r} is of the kind {self._kind!r}, and jina-reranker-v3 is a decoder.")

    def score_lists(self, lists: Sequence[tuple[str, Sequence[str]]]) -> list[Doubles]:
        """Cosine of each document's state with the query's, both projected, from -1 to 1.

        Raises:
            OverLengthError: a query with its documents is longer than `max_tokens`; nothing was scored.
        """
        ids = self.tokens.encode([self.render(query, documents) for query, documents in lists])
        self.tokens.check_lengths([len(i) for i in ids])
        # In the text the query stands last, so its token is the last of these places.
        places = [np.flatnonzero((i == self._document_end) | (i == self._query_end)) for i in ids]
        model = self._model("embed")
        found: dict[int, torch.Tensor] = {}
        for positions in plan_batches([len(i) for i in ids], self.options.batch_tokens, padded=not self._packs):
            with self._working(), self._torch.inference_mode():
                states = self._forward.states_at(model, [ids[p] for p in positions], [places[p] for p in positions])
                rows = self._torch.split(self._projected(states), [len(places[p]) for p in positions])
                found.update((p, self._cosines(row)) for p, row in zip(positions, rows, strict=True))
        return [found[position].cpu().double().numpy() for position in range(len(lists))]

    def close(self) -> None:
        self._projector = None
        super().close()

    def render(self, query: str, documents: Sequence[str]) -> str:
        """The text that the model reads; its two special tokens are taken out of the inputs, as its authors do."""
        query, *documents = (text.replace(DOCUMENT_END, "").replace(QUERY_END, "") for text in (query, *documents))
        passages = "\n".join(f'<passage id="{i}">\n{text}{DOCUMENT_END}\n</passage>' for i, text in enumerate(documents))
        told = f"<instruct>\n{self._instruction}\n</instruct>\n" if self._instruction else ""
        return (
            f"<|im_start|>system\n{_SYSTEM}<|im_end|>\n<|im_start|>user\n"
            f"I will provide you with {len(documents)} passages, each indicated by a numerical identifier. "
            f"Rank the passages based on their relevance to query: {query}\n{told}{passages}\n"
            f"<query>\n{query}{QUERY_END}\n</query><|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
        )

    def _projected(self, states: torch.Tensor) -> torch.Tensor:
        if self._projector is None:
            with weights.loading(self.name, EXTRA, self._model_name):
                self._projector = tuple(w.to(states) for w in _read_projector(self._files))
        linear = self._torch.nn.functional.linear
        projected: torch.Tensor = linear(linear(states, self._projector[0]).relu(), self._projector[1]).float()
        return projected

    def _cosines(self, projected: torch.Tensor) -> torch.Tensor:
        """Of all rows but the last with the last."""
        cosines: torch.Tensor = self._torch.nn.functional.cosine_similarity(projected[:-1], projected[-1:], dim=-1)
        return cosines

    def _special(self, token: str) -> int:
        found = self.tokens.tokenizer.get_added_vocab().get(token)
        if found is None:
            raise EngineError(f"The tokenizer of model {self._model_name!r} has no token {token!r}: it is not that of jina-reranker-v3.")
        return int(found)


def _read_projector(folder: Path) -> list[Any]:
    """The two layers, which the library's Qwen3 leaves in the files: shapes (hidden / 2, hidden) and (dimensions, hidden / 2).

    Raises:
        EngineError: they are in none of the files.
    """
    from safetensors import safe_open

    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as stored:
            found.update({name: stored.get_tensor(name) for name in _PROJECTOR if name in stored.keys()})  # noqa: SIM118  no mapping
    if len(found) < len(_PROJECTOR):
        raise EngineError(
            f"The files in {folder} lack the projector of jina-reranker-v3: {' and '.join(sorted(set(_PROJECTOR) - set(found)))}."
        )
    return [found[name] for name in _PROJECTOR]

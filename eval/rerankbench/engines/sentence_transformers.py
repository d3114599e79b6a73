"""Embedding models through the sentence-transformers library: its modules do the pooling that the model was trained with.

Tokenising is done here and not by the library, which would cut long texts without a word and put the model's stored prompts in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from rerankbench import config
from rerankbench.engines import weights
from rerankbench.engines.hf_tokens import HfTokens, Ids, ReadsTokens
from rerankbench.engines.transformers_models import choose_device
from rerankbench.errors import EngineError
from rerankbench.protocols import Floats

EXTRA = "sentence-transformers"


class SentenceTransformersOptions(config.Options):
    """
    Attributes:
        model: A name on the hub, or a folder.
        revision: Branch, tag or commit of a hub model.
        device: ``auto`` takes the first CUDA device where there is one.
        dtype: ``auto`` takes the type that the weights are stored in.
        batch_size: Texts worked on at once.
        max_tokens: The longest input; None takes the model's own limit, which is also the most that its positions allow.
    """

    model: str
    revision: str = "main"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    batch_size: int = Field(default=32, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)


class SentenceTransformersEngine(ReadsTokens):
    """An embedding model with its own pooling. Texts are embedded as they are: no prompt, nothing cut.

    Raises:
        MissingExtra: torch or sentence-transformers is not installed.
        MissingWeights: the model is not at hand.
        EngineError: the model cannot be loaded, or has fewer positions than `max_tokens` asks for.
    """

    Options: ClassVar = SentenceTransformersOptions
    name: ClassVar[str] = "sentence_transformers"
    caveat: ClassVar[str] = ""

    def __init__(self, options: SentenceTransformersOptions) -> None:
        weights.require(self.name, EXTRA, "torch", "sentence_transformers")
        folder = weights.model_folder(options.model, options.revision)
        self.options = options
        with weights.loading(self.name, EXTRA, options.model):
            import torch
            from sentence_transformers import SentenceTransformer

            self._torch = torch
            self._device = choose_device(options.device)
            self._model = SentenceTransformer(
                str(folder), device=str(self._device), local_files_only=True, model_kwargs={"dtype": options.dtype}
            ).eval()
        self._refuse_chat_wrapping()
        self.tokens = HfTokens(self._model.tokenizer, max_tokens=self._limit())

    @classmethod
    def provenance(cls, options: SentenceTransformersOptions) -> dict[str, str]:
        weights.require(cls.name, EXTRA, "torch", "sentence_transformers")
        return weights.fingerprint(options.model, options.revision)

    def embed(self, texts: Sequence[str]) -> Floats:
        """
        Raises:
            OverLengthError: a text is longer than `max_tokens`; nothing was embedded.
        """
        ids = self.tokens.encode(texts)
        self.tokens.check_lengths([len(i) for i in ids])
        vectors = np.zeros((len(ids), self._dimensions()), dtype=np.float32)
        order = sorted((p for p, i in enumerate(ids) if len(i)), key=lambda p: -len(ids[p]))
        for start in range(0, len(order), self.options.batch_size):
            positions = order[start : start + self.options.batch_size]
            vectors[positions] = self._unit_vectors([ids[p] for p in positions])
        if not np.isfinite(vectors).all():
            raise EngineError(
                f"A vector of model {self.options.model!r} in {self.options.dtype} is not finite.", hint="Set dtype: float32."
            )
        return vectors

    def synchronise(self) -> None:
        if self._device.type == "cuda":
            self._torch.cuda.synchronize(self._device)

    def close(self) -> None:
        del self._model
        if self._device.type == "cuda":
            self._torch.cuda.empty_cache()

    def _unit_vectors(self, batch: Sequence[Ids]) -> Floats:
        padded = self.tokens.tokenizer.pad({"input_ids": [ids.tolist() for ids in batch]}, padding=True, return_tensors="pt")
        with self._torch.inference_mode():
            states = self._model({key: value.to(self._device) for key, value in padded.items()})["sentence_embedding"]
            unit: Floats = self._torch.nn.functional.normalize(states.float(), p=2, dim=1).cpu().numpy()
        return unit

    def _dimensions(self) -> int:
        named: Any = getattr(self._model, "get_embedding_dimension", None) or self._model.get_sentence_embedding_dimension
        return int(named())

    def _refuse_chat_wrapping(self) -> None:
        """
        Raises:
            EngineError: the model's settings make the library (6 and later) wrap every text in a chat, which this engine does not do.
        """
        backbone: Any = self._model[0]
        if "message" in getattr(backbone, "modality_config", {}):
            raise EngineError(
                f"Model {self.options.model!r} is set up to read each text as a chat turn, and this engine gives texts as they are.",
                hint="Use the engine 'transformers', or name the modality 'text' alone in the model's sentence_bert_config.json.",
            )

    def _limit(self) -> int:
        """The longest input in tokens.

        Raises:
            EngineError: no limit is known, or the one asked for is beyond the model's positions.
        """
        own = self._model.max_seq_length
        backbone: Any = self._model[0]
        positions = getattr(backbone.auto_model.config, "max_position_embeddings", None)
        limit = self.options.max_tokens or own or positions
        if limit is None:
            raise EngineError(f"Model {self.options.model!r} says nowhere how long its inputs may be.", hint="Set the engine's max_tokens.")
        if positions is not None and limit > positions:
            raise EngineError(f"max_tokens is {limit}, but model {self.options.model!r} has {positions} positions only.")
        return int(limit)

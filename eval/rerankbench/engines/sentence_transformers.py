"""Embedding models and cross-encoders through the sentence-transformers library: its modules are those that a model was trained with.

Tokenising is done here and not by the library, which would cut long texts without a word and put the model's stored prompts in front.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import Field

from rerankbench import config
from rerankbench.engines import weights
from rerankbench.engines.hf_tokens import HfTokens, Ids, ReadsTokens
from rerankbench.engines.pairs import PairTokens
from rerankbench.engines.transformers_models import choose_device, positions_of
from rerankbench.errors import EngineError
from rerankbench.protocols import Doubles, Floats

EXTRA = "sentence-transformers"
Array = TypeVar("Array", bound=NDArray[Any])


class SentenceTransformersOptions(config.Options):
    """
    Attributes:
        model: A name on the hub, or a folder.
        revision: Branch, tag or commit of a hub model.
        device: ``auto`` takes the first CUDA device where there is one.
        dtype: ``auto`` takes the type that the weights are stored in.
        batch_size: Texts or pairs worked on at once.
        max_tokens: The longest input; None takes the model's own limit, which is also the most that its positions allow.
    """

    model: str
    revision: str = "main"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    batch_size: int = Field(default=32, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)


class SentenceTransformersEngine(ReadsTokens):
    """An embedding model, or a cross-encoder: the model's files say which of the two, and it does what it is for.

    Texts are embedded as they are: no prompt, nothing cut. Pairs are cut to `max_tokens`, the longer text first, as the library does.

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
            import sentence_transformers as library
            import torch

            self._torch = torch
            self._device = choose_device(options.device)
            self._scores_pairs = _is_cross_encoder(folder)
            kind: Any = library.CrossEncoder if self._scores_pairs else library.SentenceTransformer
            self._model = kind(str(folder), device=str(self._device), local_files_only=True, model_kwargs={"dtype": options.dtype}).eval()
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
            EngineError: the model is a cross-encoder.
        """
        self._require(pairs=False)
        ids = self.tokens.encode(texts)
        self.tokens.check_lengths([len(i) for i in ids])
        vectors = np.zeros((len(ids), self._dimensions()), dtype=np.float32)
        for positions in self._batches([len(i) for i in ids]):
            states = self._features({"input_ids": [ids[p] for p in positions]}, "sentence_embedding")
            vectors[positions] = self._torch.nn.functional.normalize(states, p=2, dim=1).cpu().numpy()
        return self._finite(vectors)

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Doubles:
        """Of a model with one class its logit, whatever activation it recommends; of one with more, the log-probability of the last.

        Raises:
            EngineError: the model embeds, or a score is not finite.
        """
        read = self._pairs().encode(pairs)
        scores = np.zeros(len(read), dtype=np.float64)
        for positions in self._batches([len(pair.ids) for pair in read]):
            batch = [read[p] for p in positions]
            inputs = {"input_ids": [pair.ids for pair in batch]}
            if "token_type_ids" in self.tokens.tokenizer.model_input_names:
                inputs["token_type_ids"] = [pair.types for pair in batch]
            logits = self._features(inputs, "scores").reshape(len(batch), -1)
            scores[positions] = (logits if logits.shape[1] == 1 else logits.log_softmax(-1))[:, -1].cpu().numpy()
        return self._finite(scores)

    def pair_tokens(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
        return [(len(pair.ids), pair.cut_tokens) for pair in self._pairs().encode(pairs)]

    def synchronise(self) -> None:
        if self._device.type == "cuda":
            self._torch.cuda.synchronize(self._device)

    def close(self) -> None:
        del self._model
        if self._device.type == "cuda":
            self._torch.cuda.empty_cache()

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Positions of inputs of like length, the longest first; empty inputs are in no batch."""
        order = sorted((p for p, n in enumerate(lengths) if n), key=lambda p: -lengths[p])
        for start in range(0, len(order), self.options.batch_size):
            yield order[start : start + self.options.batch_size]

    def _features(self, inputs: dict[str, list[Ids]], wanted: str) -> Any:
        """What the model's modules make of a batch, float32, on the device."""
        padded = self.tokens.tokenizer.pad({key: [i.tolist() for i in rows] for key, rows in inputs.items()}, return_tensors="pt")
        with self._torch.inference_mode():
            return self._model({key: value.to(self._device) for key, value in padded.items()})[wanted].float()

    def _pairs(self) -> PairTokens:
        self._require(pairs=True)
        return PairTokens(self.tokens, limit=self.tokens.max_tokens, cut="longest_first")

    def _require(self, *, pairs: bool) -> None:
        """
        Raises:
            EngineError: the model is for the other use.
        """
        if pairs != self._scores_pairs:
            what = "is a cross-encoder: it scores pairs, and embeds nothing" if self._scores_pairs else "embeds texts, and scores no pairs"
            raise EngineError(f"Model {self.options.model!r} {what}.")

    def _finite(self, values: Array) -> Array:
        if not np.isfinite(values).all():
            raise EngineError(
                f"A result of model {self.options.model!r} in {self.options.dtype} is not finite.", hint="Set dtype: float32."
            )
        return values

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
        backbone: Any = self._model[0]
        own, positions = self._model.max_seq_length, positions_of(backbone.auto_model.config)
        limit = self.options.max_tokens or min((n for n in (own, positions) if n is not None), default=None)
        if limit is None:
            raise EngineError(f"Model {self.options.model!r} says nowhere how long its inputs may be.", hint="Set the engine's max_tokens.")
        if positions is not None and limit > positions:
            raise EngineError(f"max_tokens is {limit}, but model {self.options.model!r} has {positions} positions only.")
        return int(limit)


def _is_cross_encoder(folder: Path) -> bool:
    """What the library saved a model as; of one that it did not save, what its classifier is for."""
    saved_as = _json(folder / "config_sentence_transformers.json").get("model_type")
    if saved_as is not None or (folder / "modules.json").is_file():
        return bool(saved_as == "CrossEncoder")
    return any(name.endswith("ForSequenceClassification") for name in _json(folder / "config.json").get("architectures") or ())


def _json(file: Path) -> dict[str, Any]:
    return dict(orjson.loads(file.read_bytes())) if file.is_file() else {}

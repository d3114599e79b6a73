"""A model of the transformers library in this process, and all that it can do: decoder, encoder or encoder-decoder.

Whoever subclasses it knows where the files come from. A class of the library is loaded when it is first needed: the body alone for
embeddings, with the language head for answers and their scores, with the classifier for pairs; never two at once. So the first call
takes as long as loading does; who measures time warms up before.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rerankbench import config
from rerankbench.engines import weights
from rerankbench.engines.encoder_decoder import fused_inputs
from rerankbench.engines.hf_tokens import HfTokens, Ids, ReadsTokens, load_tokenizer
from rerankbench.engines.pairs import PairCut, PairTokens
from rerankbench.engines.transformers_batches import gather, pieces, plan_batches
from rerankbench.engines.transformers_decoding import Limits, answers, decode_greedily
from rerankbench.engines.transformers_forward import Forward, Pooling
from rerankbench.engines.transformers_models import PACKABLE, Task, can_pack, choose_device, kind_of, positions_of
from rerankbench.errors import EngineError
from rerankbench.protocols import Doubles, Floats, ScoreKind
from rerankbench.records import Call, Prompt

if TYPE_CHECKING:
    import torch

EXTRA = "transformers"
Begun = tuple[list[int], "torch.Tensor"]
"""Positions of the inputs of a batch, and what the device makes of them, maybe still at work."""
_PIECE_CHARACTERS = 16
"""Of texts that are tokenised together, for each of `batch_tokens`: about four batches."""


class TransformersSettings(config.Options):
    """How a model works, whichever it is.

    Attributes:
        dtype: ``auto`` takes the type that the weights are stored in.
        device: ``auto`` takes the first CUDA device where there is one.
        attention: The library's attention implementation; ``auto`` leaves the choice to it.
        batching: How embeddings and scores of a decoder's inputs are batched: in rectangles (``padded``) or one behind the other
            (``packed``), which computes no padding. ``auto`` packs where that is known to be right.
        batch_tokens: Tokens worked on at once, padding (and for generation the answer) included; one long input may exceed it.
        max_tokens: The longest input; the model's number of positions caps it. The paper's model card embeds with 8,192.
        add_special_tokens: Whether the tokenizer may add special tokens by itself (they are never doubled).
        pooling: Which states become a text's vector: the last token's (decoders), the first's (``cls``), or the mean of all.
        pair_tokens: The longest pair of a cross-encoder, special tokens included.
        pair_cut: Which text of a longer pair is cut: see `pairs.PairTokens`.
    """

    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = "auto"
    batching: Literal["auto", "padded", "packed"] = "auto"
    batch_tokens: int = Field(default=16384, ge=1)
    max_tokens: int = Field(default=8192, ge=1)
    add_special_tokens: bool = True
    pooling: Pooling = "last"
    pair_tokens: int = Field(default=512, ge=1)
    pair_cut: PairCut = "longest_first"


class LocalModel(ReadsTokens):
    """What it can do depends on the model's kind; what it cannot raises an EngineError that says so.

    Args:
        files: Folder of the model's configuration and weights, or a configuration file alone.
        tokenizer_files: Folder of its tokenizer.
        called: What the user calls the model, for messages.

    Raises:
        MissingExtra: torch or transformers is not installed.
        EngineError: the tokenizer or the configuration cannot be loaded, or the device does not exist; at the first call: the
            weights cannot be loaded, or some are missing.
    """

    name: ClassVar[str]
    caveat: ClassVar[str]

    def __init__(self, options: TransformersSettings, *, files: Path, tokenizer_files: Path, called: str) -> None:
        self.options = options
        self._files = files
        self._model_name = called
        with weights.loading(self.name, EXTRA, called):
            import torch
            from transformers import AutoConfig

            self._torch = torch
            self._device = choose_device(options.device)
            shape = AutoConfig.from_pretrained(files, local_files_only=True, trust_remote_code=False)
            tokenizer = load_tokenizer(tokenizer_files)
        self._shape, self._kind = shape, kind_of(shape)
        longest = min(options.max_tokens, positions_of(shape) or options.max_tokens)
        self.tokens = HfTokens(tokenizer, max_tokens=longest, add_special_tokens=options.add_special_tokens)
        self._packs = self._decide_packing(longest)
        self._pad_id: int = next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0)
        self._forward = Forward(self._device, pad_id=self._pad_id, decoder=self._kind == "decoder", packs=self._packs)
        self._loaded: tuple[Task, Any] | None = None

    def synchronise(self) -> None:
        if self._device.type == "cuda":
            self._torch.cuda.synchronize(self._device)

    def close(self) -> None:
        self._loaded = None
        if self._device.type == "cuda":
            self._torch.cuda.empty_cache()

    def embed(self, texts: Sequence[str]) -> Floats:
        """A text without a single token gets the zero vector.

        What works packed is tokenised a piece at a time: CUDA goes on by itself, and the next piece is tokenised while it embeds the last.

        Raises:
            OverLengthError: a text is longer than `max_tokens`; no vector is given for any.
            EngineError: a vector is not finite (half precision overflowed), memory ran out, or the model is an encoder-decoder.
        """
        model, pooling = self._model("embed"), self.options.pooling
        unit, pack = self._torch.nn.functional.normalize, self._packs and pooling == "last"
        ids: list[Ids] = []

        def work(positions: list[int]) -> torch.Tensor:
            return unit(self._forward.text_states(model, [ids[p] for p in positions], pooling).float(), p=2, dim=1)

        begun: list[Begun] = []
        # Padded inputs lie with those of their own length, which a piece has fewer of.
        for piece in self._tokenised(texts, _PIECE_CHARACTERS * self.options.batch_tokens if pack else None):
            first = len(ids)
            ids += piece
            begun += self._begin([len(i) for i in piece], work, first=first, pack=pack)
        vectors = np.zeros((len(ids), self._shape.hidden_size), dtype=np.float32)
        self._finish(begun, vectors)
        return vectors

    def label_scores(self, prompts: Sequence[Prompt], labels: Sequence[str], *, kind: ScoreKind = "logprob") -> Doubles:
        """Computed in single precision whatever the weights' type.

        Raises:
            OverLengthError: a prompt is longer than `max_tokens`; nothing was scored.
            EngineError: a label is not one token, or the model has no language head.
        """
        ids = self.tokens.prompt_ids(prompts)
        self.tokens.check_lengths([len(i) for i in ids])
        starts = self._kind == "encoder-decoder"
        wanted = self._torch.tensor(self.tokens.label_ids(labels, at_start=starts), device=self._device)
        model = self._model("generate")
        logits_of = self._forward.first_logits if starts else self._forward.next_logits

        def work(positions: list[int]) -> torch.Tensor:
            logits = logits_of(model, [ids[p] for p in positions]).float()
            return (logits.log_softmax(-1) if kind == "logprob" else logits)[:, wanted]

        scores = np.zeros((len(ids), len(labels)), dtype=np.float64)
        self._in_batches([len(i) for i in ids], work, into=scores, pack=self._packs)
        return scores

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Doubles:
        """Of a model with one class its logit; of one with more, the log-probability of the last class (monoBERT).

        Raises:
            EngineError: the model is no cross-encoder, or a score is not finite.
        """
        read = self._pairs().encode(pairs)
        model = self._model("pairs")
        types = "token_type_ids" in self.tokens.tokenizer.model_input_names and "token_type_ids" in signature(model.forward).parameters

        def work(positions: list[int]) -> torch.Tensor:
            logits = self._forward.pair_logits(model, [read[p] for p in positions], types=types).float()
            return (logits if logits.shape[1] == 1 else logits.log_softmax(-1))[:, -1]

        scores = np.zeros(len(read), dtype=np.float64)
        self._in_batches([len(pair.ids) for pair in read], work, into=scores, pack=False)
        return scores

    def pair_tokens(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
        return [(len(pair.ids), pair.cut_tokens) for pair in self._pairs().encode(pairs)]

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        """Greedy answers. A chat gets the model's template, and no special tokens besides.

        Raises:
            OverLengthError: a decoder's prompt and its answer may exceed `self.max_tokens` together, or an encoder-decoder's prompt
                alone does; nothing was generated.
        """
        return self._written(prompts, Limits(max_tokens, tuple(stop)))

    def generate_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int) -> list[Call]:
        """
        Raises:
            OverLengthError: a text is longer than `max_tokens`; nothing was generated.
            EngineError: the model is no encoder-decoder, or a group has no text.
        """
        if self._kind != "encoder-decoder":
            raise EngineError(f"Model {self._model_name!r} cannot read texts apart and answer over all: that takes an encoder-decoder.")
        if not all(groups):
            raise EngineError("A group without a text cannot be answered.")
        ids = [self.tokens.encode(group) for group in groups]
        self.tokens.check_lengths([len(i) for group in ids for i in group])
        lengths = [sum(map(len, group)) for group in ids]
        model, tokenizer = self._model("generate"), self.tokens.tokenizer

        def work(positions: list[int]) -> list[Call]:
            inputs = fused_inputs(model, self._forward, [ids[p] for p in positions], self.options.batch_tokens)
            counts = [lengths[p] for p in positions]
            return answers(model, tokenizer, inputs, Limits(max_tokens), skipped=1, prompt_tokens=counts, synchronise=self.synchronise)

        return self._calls([n + max_tokens for n in lengths], work)

    def _written(self, prompts: Sequence[Prompt], limits: Limits, forced: Sequence[Sequence[int]] = ()) -> list[Call]:
        """
        Args:
            forced: Token ids that each prompt is to be answered with; empty: as the model likes.
        """
        ids = self.tokens.prompt_ids(prompts)
        behind = limits.max_tokens if self._kind == "decoder" else 0
        self.tokens.check_lengths([len(i) for i in ids], self.tokens.max_tokens - behind)
        model, tokenizer = self._model("generate"), self.tokens.tokenizer

        def work(positions: list[int]) -> list[Call]:
            inputs = self._forward.rectangle([ids[p] for p in positions])
            # What comes back begins with the prompt, or with the decoder's start token.
            skipped = inputs["input_ids"].shape[1] if behind else 1
            told: Any = {"prompt_tokens": [len(ids[p]) for p in positions], "forced": [forced[p] for p in positions] if forced else ()}
            return answers(model, tokenizer, inputs, limits, skipped=skipped, synchronise=self.synchronise, **told)

        return self._calls([len(i) + limits.max_tokens for i in ids], work)

    def _tokenised(self, texts: Sequence[str], piece_characters: int | None) -> Iterator[list[Ids]]:
        """The token ids of one piece of the list after the other.

        Raises:
            OverLengthError: a text of this piece, and maybe of later ones, is too long.
        """
        counts: list[int] = []
        for piece in pieces(texts, piece_characters):
            ids = self.tokens.encode(piece)
            counts += map(len, ids)
            if max(counts) > self.tokens.max_tokens:
                self.tokens.check_lengths([*counts, *self.tokens.count_tokens(texts[len(counts) :])])
            yield ids

    def _in_batches(self, lengths: Sequence[int], work: Callable[[list[int]], torch.Tensor], *, into: NDArray[Any], pack: bool) -> None:
        """Work through inputs in batches and write the results into their rows.

        Raises:
            EngineError: a result is not finite, or memory ran out.
        """
        self._finish(self._begin(lengths, work, pack=pack), into)

    def _begin(self, lengths: Sequence[int], work: Callable[[list[int]], torch.Tensor], *, pack: bool, first: int = 0) -> Iterator[Begun]:
        """Give the device its work, batch by batch. The host does not wait for it.

        Args:
            first: Position of the first of these inputs among all.

        Raises:
            EngineError: memory ran out.
        """
        for batch in plan_batches(lengths, self.options.batch_tokens, padded=not pack):
            positions = [first + p for p in batch]
            with self._working(), self._torch.inference_mode():
                output = work(positions)
            yield positions, output

    def _finish(self, begun: Iterable[Begun], into: NDArray[Any]) -> None:
        """Write what the device has made into the rows of its inputs. The host waits for the device once.

        Raises:
            EngineError: a result is not finite, or memory ran out.
        """
        done = list(begun)
        with self._working():
            gather(into, [positions for positions, _ in done], [output for _, output in done])
        if not np.isfinite(into).all():
            raise EngineError(f"A result of model {self._model_name!r} in {self.options.dtype} is not finite.", hint="Set dtype: float32.")

    def _calls(self, lengths: Sequence[int], work: Callable[[list[int]], list[Call]]) -> list[Call]:
        calls: dict[int, Call] = {}
        for positions in plan_batches(lengths, self.options.batch_tokens):
            with self._working(), self._torch.inference_mode():
                calls.update(zip(positions, work(positions), strict=True))
        return [calls[position] for position in range(len(lengths))]

    def _pairs(self) -> PairTokens:
        limit = self.options.pair_tokens
        if limit > self.tokens.max_tokens:
            raise EngineError(f"pair_tokens is {limit}, but model {self._model_name!r} reads {self.tokens.max_tokens} tokens only.")
        return PairTokens(self.tokens, limit=limit, cut=self.options.pair_cut)

    def _decide_packing(self, longest: int) -> bool:
        """
        Raises:
            EngineError: packing is asked for where it cannot be right.
        """
        asked = self.options.batching
        possible = can_pack(self._shape, longest) and self.options.attention in {"auto", "sdpa"}
        if asked == "packed" and not possible:
            raise EngineError(
                f"Model {self._model_name!r} cannot work packed: that takes a decoder without sliding window, and attention auto or sdpa.",
                hint="Set batching: padded.",
            )
        return possible and (asked == "packed" or (asked == "auto" and self._shape.model_type in PACKABLE))

    def _model(self, task: Task) -> Any:
        """The model for a task, loaded now if it was not; the other task's model goes first, for there may be memory for one."""
        if self._loaded is None or self._loaded[0] != task:
            self.close()
            with weights.loading(self.name, EXTRA, self._model_name), self._working():
                model = self._load(task).to(self._device).eval()
            if task == "generate":
                decode_greedily(model, self.tokens.tokenizer, self._pad_id)
            self._loaded = (task, model)
        return self._loaded[1]

    def _library_settings(self) -> dict[str, Any]:
        attention = {} if self.options.attention == "auto" else {"attn_implementation": self.options.attention}
        return {"dtype": self.options.dtype, **attention}

    @abstractmethod
    def _load(self, task: Task) -> Any:
        """The model of the class that the task takes, with weights, on any device."""

    @contextmanager
    def _working(self) -> Iterator[None]:
        try:
            yield
        except self._torch.OutOfMemoryError as error:
            raise EngineError(
                f"Model {self._model_name!r} ran out of memory on {self._device} with batches of {self.options.batch_tokens} tokens.",
                hint="Lower the engine's batch_tokens.",
            ) from error

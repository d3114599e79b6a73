"""Decoder models through the transformers library, in this process: last-token embeddings, or greedy generation.

The weights are loaded when they are first needed: without the language head for embeddings, with it for generation, never both at
once. So the first call takes as long as loading does; who measures time warms up before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from rerankbench import config
from rerankbench.engines import weights
from rerankbench.engines.hf_tokens import HfTokens, Ids, ReadsTokens, load_tokenizer
from rerankbench.errors import EngineError
from rerankbench.protocols import Floats
from rerankbench.records import Call, Prompt

if TYPE_CHECKING:
    import torch

EXTRA = "transformers"
Task = Literal["embed", "generate"]


class TransformersOptions(config.Options):
    """
    Attributes:
        model: A name on the hub, or a folder.
        revision: Branch, tag or commit of a hub model.
        dtype: ``auto`` takes the type that the weights are stored in.
        device: ``auto`` takes the first CUDA device where there is one.
        attention: The library's attention implementation; ``auto`` leaves the choice to it.
        batch_tokens: Tokens worked on at once, padding (and for generation the answer) included; one long input may exceed it.
        max_tokens: The longest input; the model's number of positions caps it. The paper's model card embeds with 8,192.
        add_special_tokens: Whether the tokenizer may add special tokens by itself (they are never doubled).
    """

    model: str
    revision: str = "main"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = "auto"
    batch_tokens: int = Field(default=16384, ge=1)
    max_tokens: int = Field(default=8192, ge=1)
    add_special_tokens: bool = True


class TransformersEngine(ReadsTokens):
    """A decoder model in this process.

    Raises:
        MissingExtra: torch or transformers is not installed.
        MissingWeights: the model is not at hand.
        EngineError: the tokenizer or the configuration cannot be loaded, or the device does not exist; at the first call: the
            weights cannot be loaded, or some are missing.
    """

    Options: ClassVar = TransformersOptions
    name: ClassVar[str] = "transformers"
    caveat: ClassVar[str] = ""

    def __init__(self, options: TransformersOptions) -> None:
        weights.require(self.name, EXTRA, "torch", "transformers")
        self._folder = weights.model_folder(options.model, options.revision)
        self.options = options
        with weights.loading(self.name, EXTRA, options.model):
            import torch
            from transformers import AutoConfig

            self._torch = torch
            self._device = choose_device(options.device)
            self._shape = AutoConfig.from_pretrained(self._folder, local_files_only=True, trust_remote_code=False).get_text_config()
            tokenizer = load_tokenizer(self._folder)
        positions = getattr(self._shape, "max_position_embeddings", None) or options.max_tokens
        self.tokens = HfTokens(tokenizer, max_tokens=min(options.max_tokens, positions), add_special_tokens=options.add_special_tokens)
        self._pad_id = next((i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id) if i is not None), 0)
        self._loaded: tuple[Task, Any] | None = None

    @classmethod
    def provenance(cls, options: TransformersOptions) -> dict[str, str]:
        weights.require(cls.name, EXTRA, "torch", "transformers")
        return weights.fingerprint(options.model, options.revision)

    def synchronise(self) -> None:
        if self._device.type == "cuda":
            self._torch.cuda.synchronize(self._device)

    def close(self) -> None:
        self._loaded = None
        if self._device.type == "cuda":
            self._torch.cuda.empty_cache()

    def embed(self, texts: Sequence[str]) -> Floats:
        """A text without a single token gets the zero vector.

        Raises:
            OverLengthError: a text is longer than `max_tokens`; nothing was embedded.
            EngineError: a vector is not finite (half precision overflowed), or memory ran out.
        """
        ids = self.tokens.encode(texts)
        self.tokens.check_lengths([len(i) for i in ids])
        vectors = np.zeros((len(ids), self._shape.hidden_size), dtype=np.float32)
        model = self._model("embed")
        for positions in plan_batches([len(i) for i in ids], self.options.batch_tokens):
            with self._working(), self._torch.inference_mode():
                vectors[positions] = self._last_states(model, [ids[p] for p in positions])
        if not np.isfinite(vectors).all():
            raise EngineError(
                f"A vector of model {self.options.model!r} in {self.options.dtype} is not finite.", hint="Set dtype: float32."
            )
        return vectors

    def _last_states(self, model: Any, batch: Sequence[Ids]) -> Floats:
        """Unit vectors, float32, of each input's last token: the model card's `last_token_pool` under left padding."""
        input_ids, mask = self._left_padded(batch)
        # With positions of its own, a padded text gets the very rotations that it gets alone.
        takes_positions = "position_ids" in signature(model.forward).parameters
        extra = {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)} if takes_positions else {}
        states = model(input_ids=input_ids, attention_mask=mask, use_cache=False, **extra).last_hidden_state[:, -1]
        unit: Floats = self._torch.nn.functional.normalize(states.float(), p=2, dim=1).cpu().numpy()
        return unit

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[Call]:
        """Greedy answers. A chat gets the model's template, thinking off, and no special tokens besides.

        Raises:
            OverLengthError: a prompt and its answer may exceed `self.max_tokens` together; nothing was generated.
        """
        ids = [self._prompt_ids(prompt) for prompt in prompts]
        self.tokens.check_lengths([len(i) for i in ids], self.tokens.max_tokens - max_tokens)
        model = self._model("generate")
        calls: dict[int, Call] = {}
        for positions in plan_batches([len(i) + max_tokens for i in ids], self.options.batch_tokens):
            with self._working(), self._torch.inference_mode():
                calls.update(zip(positions, self._answers(model, [ids[p] for p in positions], max_tokens), strict=True))
        return [calls[position] for position in range(len(ids))]

    def _prompt_ids(self, prompt: Prompt) -> Ids:
        raw = isinstance(prompt, str)
        text = prompt if isinstance(prompt, str) else self.tokens.render_chat(prompt)
        ids = self.tokens.encode([text], special=raw)[0]
        if not len(ids):
            raise EngineError("An empty prompt cannot be continued: it has not a single token.")
        return ids

    def _answers(self, model: Any, batch: Sequence[Ids], max_tokens: int) -> list[Call]:
        start = time.perf_counter()
        input_ids, mask = self._left_padded(batch)
        out = model.generate(input_ids=input_ids, attention_mask=mask, max_new_tokens=max_tokens)
        ends = _end_ids(model.generation_config.eos_token_id)
        answers = [_until_end(row, ends) for row in out[:, input_ids.shape[1] :].tolist()]
        texts = self.tokens.tokenizer.batch_decode(answers, skip_special_tokens=True)
        seconds = time.perf_counter() - start
        return [Call(len(i), len(a), seconds, len(batch), text) for i, a, text in zip(batch, answers, texts, strict=True)]

    def _model(self, task: Task) -> Any:
        """The model for a task, loaded now if it was not; the other task's model goes first, for there may be memory for one."""
        if self._loaded is None or self._loaded[0] != task:
            self.close()
            with weights.loading(self.name, EXTRA, self.options.model), self._working():
                model = _load_model(self._folder, task, self.options).to(self._device).eval()
            if task == "generate":
                self._decode_greedily(model)
            self._loaded = (task, model)
        return self._loaded[1]

    def _decode_greedily(self, model: Any) -> None:
        """Forget the sampling that the checkpoint recommends, and keep its end tokens."""
        from transformers import GenerationConfig

        settings: Any = GenerationConfig
        stored = model.generation_config.eos_token_id
        ends = stored if stored is not None else self.tokens.tokenizer.eos_token_id
        # Replaced, not overridden call by call: a stored repetition penalty would stay in force and change even greedy answers.
        model.generation_config = settings(do_sample=False, num_beams=1, eos_token_id=ends, pad_token_id=self._pad_id)

    def _left_padded(self, batch: Sequence[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns: ids and mask, both shape (inputs, longest), on the device."""
        width = max(len(ids) for ids in batch)
        padded = np.full((len(batch), width), self._pad_id, dtype=np.int64)
        mask = np.zeros((len(batch), width), dtype=np.int64)
        for row, ids in enumerate(batch):
            padded[row, width - len(ids) :] = ids
            mask[row, width - len(ids) :] = 1
        return self._torch.from_numpy(padded).to(self._device), self._torch.from_numpy(mask).to(self._device)

    @contextmanager
    def _working(self) -> Iterator[None]:
        try:
            yield
        except self._torch.OutOfMemoryError as error:
            raise EngineError(
                f"Model {self.options.model!r} ran out of memory on {self._device} with batches of {self.options.batch_tokens} tokens.",
                hint="Lower the engine's batch_tokens.",
            ) from error


def plan_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Group inputs of like length so that each padded batch holds at most `batch_tokens` tokens.

    Returns:
        Positions; the longest inputs first, so that memory that does not suffice shows at once. Inputs of length 0 are in no
        batch. An input longer than `batch_tokens` is alone in its batch.
    """
    batches: list[list[int]] = []
    width = 0
    for position in sorted((p for p, n in enumerate(lengths) if n), key=lambda p: -lengths[p]):
        if batches and (len(batches[-1]) + 1) * width <= batch_tokens:
            batches[-1].append(position)
        else:
            batches.append([position])
            width = lengths[position]
    return batches


def _until_end(ids: list[int], ends: frozenset[int]) -> list[int]:
    """An answer with its end token, without the padding after it."""
    end = next((position + 1 for position, i in enumerate(ids) if i in ends), len(ids))
    return ids[:end]


def _end_ids(stored: int | list[int] | None) -> frozenset[int]:
    """The end tokens as a generation configuration holds them: one, several, or none."""
    if stored is None:
        return frozenset()
    return frozenset(stored if isinstance(stored, list) else (stored,))


def choose_device(device: str) -> torch.device:
    """
    Raises:
        EngineError: a CUDA device is asked for where there is none.
    """
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EngineError(f"Device {device!r} is asked for, but torch sees no CUDA device.", hint="Set device: auto, or device: cpu.")
    return torch.device(device)


def _load_model(folder: Path, task: Task, options: TransformersOptions) -> Any:
    import transformers

    auto: Any = transformers.AutoModel if task == "embed" else transformers.AutoModelForCausalLM
    attention = {} if options.attention == "auto" else {"attn_implementation": options.attention}
    model, report = auto.from_pretrained(
        folder, dtype=options.dtype, local_files_only=True, trust_remote_code=False, output_loading_info=True, **attention
    )
    # The library only warns here, and fills what is missing with random numbers.
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise EngineError(
            f"The files of model {options.model!r} lack {len(missing)} weights of {type(model).__name__}, the first is {missing[0]!r}.",
            hint="The download may be incomplete, or the checkpoint of another kind: one for embeddings has no language head.",
        )
    return model

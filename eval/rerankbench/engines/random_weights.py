"""Models of a given shape with weights that are drawn, not trained: for measurements of speed where no weights are at hand.

What they answer means nothing. Their caveat follows them into every table.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, cast

import orjson

from rerankbench.engines import vllm_process, weights
from rerankbench.engines.local_model import EXTRA, LocalModel, TransformersSettings
from rerankbench.engines.transformers_decoding import Limits, end_ids
from rerankbench.engines.transformers_models import Task, auto_class
from rerankbench.engines.vllm_offline import VllmEngine, VllmSettings
from rerankbench.errors import EngineError, MissingWeights, nearest
from rerankbench.records import Call, Prompt

CAVEAT = "random weights: a measurement of speed, never of quality"
_SHIPPED = Path(__file__).parent / "shapes"


class RandomTransformersOptions(TransformersSettings):
    """
    Attributes:
        shape: ``qwen3-0.6b``, ``qwen3-4b``, ``qwen3-8b``, or a ``config.json`` of your own, or the folder that holds it.
        tokenizer: A name on the hub, or a folder.
        seed: What the weights are drawn with.
    """

    shape: str
    tokenizer: str = "Qwen/Qwen3-0.6B"
    seed: int = 0


class RandomTransformersEngine(LocalModel):
    """A shape with weights that are drawn, on the engine `transformers`: for speed only, and it says so everywhere.

    Raises:
        MissingExtra: torch or transformers is not installed.
        MissingWeights: the shape or the tokenizer is not at hand.
    """

    Options: ClassVar = RandomTransformersOptions
    name: ClassVar[str] = "random-weights"
    caveat: ClassVar[str] = CAVEAT

    def __init__(self, options: RandomTransformersOptions) -> None:
        weights.require(self.name, EXTRA, "torch", "transformers")
        self._seed = options.seed
        tokenizer = weights.tokenizer_folder(options.tokenizer)
        super().__init__(options, files=shape_file(options.shape), tokenizer_files=tokenizer, called=options.shape)

    @classmethod
    def provenance(cls, options: RandomTransformersOptions) -> dict[str, str]:
        weights.require(cls.name, EXTRA, "torch", "transformers")
        return _provenance(options.shape, options.tokenizer, options.seed)

    def generate_forced(self, prompts: Sequence[Prompt], answers: Sequence[str], *, max_tokens: int) -> list[Call]:
        """Greedy answers, but that at every step, once its logits are there, the next token of the given answer is put first.

        Raises:
            OverLengthError: as for `generate`.
            EngineError: an answer is longer than `max_tokens`, or could not be forced, because logits are no numbers.
        """
        ids = self.tokens.answer_ids(answers, max_tokens)
        end = min(end_ids(self._model("generate").generation_config.eos_token_id), default=None)
        if end is None:
            raise EngineError(f"Shape {self._model_name!r} and its tokenizer name no end token, so that no answer can be ended.")
        calls = self._written(prompts, Limits(max_tokens), [[*i.tolist(), end] for i in ids])
        return _all_forced(calls, answers, [len(i) + 1 for i in ids])

    def _load(self, task: Task) -> Any:
        """Drawn on the device, in the type that is asked for: an 8B model in bfloat16 never takes more than its 16 GB."""
        torch, settings = self._torch, self._library_settings()
        if settings["dtype"] == "auto":
            settings["dtype"] = getattr(self._shape, "dtype", None) or torch.float32
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), self._device:
            torch.manual_seed(self._seed)
            return auto_class(task, self._kind, self._model_name).from_config(self._shape, **settings)


class RandomVllmOptions(VllmSettings):
    """
    Attributes:
        shape, tokenizer, seed: As of `RandomTransformersOptions`.
        architecture: The class that vLLM loads, e.g. ``Qwen3ForSequenceClassification``; empty: the one that the shape names.
    """

    shape: str
    tokenizer: str = "Qwen/Qwen3-0.6B"
    architecture: str = ""


class RandomVllmEngine(VllmEngine):
    """A shape with weights that are drawn, on the engine `vllm`: for speed only, and it says so everywhere.

    Raises:
        MissingExtra: vLLM is not installed.
        MissingWeights: the shape or the tokenizer is not at hand.
    """

    Options: ClassVar[type[VllmSettings]] = RandomVllmOptions
    name: ClassVar[str] = "random-weights-vllm"
    caveat: ClassVar[str] = CAVEAT

    @classmethod
    def provenance(cls, options: RandomVllmOptions) -> dict[str, str]:
        vllm_process.require(cls.name)
        return _provenance(options.shape, options.tokenizer, options.seed)

    @property
    def _model_name(self) -> str:
        return str(self._asked.shape)

    @property
    def _asked(self) -> RandomVllmOptions:
        return cast(RandomVllmOptions, self.options)

    def generate_forced(self, prompts: Sequence[Prompt], answers: Sequence[str], *, max_tokens: int) -> list[Call]:
        """Greedy answers that end at no end token, each of as many tokens as the given answer and its end have; then the text is replaced.

        So the tokens that a step reads are those that the drawn weights chose before, which costs what reading the given ones would.

        Raises:
            OverLengthError: as for `generate`.
            EngineError: an answer is longer than `max_tokens`.
        """
        counts = [len(i) + 1 for i in self.tokens.answer_ids(answers, max_tokens)]
        params = [self._greedy(n, ignore_eos=True, detokenize=False) for n in counts]
        return _all_forced(self._answers(prompts, max_tokens, params), answers, counts)

    def _find_folder(self) -> Path:
        """A folder with the shape and the tokenizer, as vLLM wants them, for as long as the engine lives."""
        folder = Path(tempfile.mkdtemp(prefix="rerankbench-shape-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        shape = orjson.loads(shape_file(self._asked.shape).read_bytes())
        named = {"architectures": [self._asked.architecture]} if self._asked.architecture else {}
        (folder / "config.json").write_bytes(orjson.dumps({**shape, **named}))
        for file in weights.tokenizer_files(weights.tokenizer_folder(self._asked.tokenizer)):
            (folder / file.name).symlink_to(file.resolve())
        return folder

    def _find_tokenizer_folder(self) -> Path:
        return self._folder

    def _llm_arguments(self, task: Any) -> dict[str, Any]:
        return {**super()._llm_arguments(task), "load_format": "dummy"}


def shape_file(shape: str) -> Path:
    """The configuration that a shape stands for: a shipped one, a file, or the ``config.json`` of a folder.

    Raises:
        MissingWeights: there is no such shape.
    """
    shipped = {file.stem: file for file in _SHIPPED.glob("*.json")}
    file = shipped.get(shape, Path(shape) / "config.json" if Path(shape).is_dir() else Path(shape))
    if not file.is_file():
        raise MissingWeights(
            f"There is no shape {shape!r}: it is neither shipped nor a config.json. {nearest(shape, shipped)}",
            hint="A shape of your own is a config.json, or a folder with one.",
        )
    return file


def _all_forced(calls: Sequence[Call], answers: Sequence[str], counts: Sequence[int]) -> list[Call]:
    """The calls as those of a model that wrote these answers and ended them.

    Raises:
        EngineError: one has not as many tokens.
    """
    wrong = next((p for p, (call, count) in enumerate(zip(calls, counts, strict=True)) if call.completion_tokens != count), None)
    if wrong is not None:
        raise EngineError(
            f"Answer {wrong + 1} of {len(calls)} was to be forced to {counts[wrong]} tokens and has {calls[wrong].completion_tokens}.",
            hint="Logits that are no numbers cannot be forced: set dtype to bfloat16 or float32.",
        )
    return [replace(call, text=answer, finish="stop") for call, answer in zip(calls, answers, strict=True)]


def _provenance(shape: str, tokenizer: str, seed: int) -> dict[str, str]:
    shape_sha256 = sha256(shape_file(shape).read_bytes()).hexdigest()
    return {"shape_sha256": shape_sha256, "weights": f"random, seed {seed}", **weights.tokenizer_fingerprint(tokenizer)}

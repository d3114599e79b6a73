"""Models through vLLM in this process, without a server: decoders for embeddings, answers and label scores, and cross-encoders.

vLLM is started when it is first needed, for one of these uses; what was started for another is shut down first. So the first call
takes as long as that; who measures time warms up before. Works with vLLM 0.26 to 0.32, and needs no network once a model is at hand.

Texts are tokenised here and handed over as token ids, so that lengths are known before anything runs and nothing is read twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rerankbench import config
from rerankbench.engines import vllm_process, weights
from rerankbench.engines.hf_tokens import HfTokens, Ids, ReadsTokens, load_tokenizer
from rerankbench.engines.pairs import Pair, PairCut, PairTokens
from rerankbench.engines.transformers_models import kind_of, positions_of
from rerankbench.errors import EngineError
from rerankbench.protocols import Doubles, Floats, ScoreKind
from rerankbench.records import Call, Prompt

Task = Literal["embed", "generate", "logits", "pairs"]
"""What vLLM is started for. ``logits`` generates as ``generate`` does, but tells tokens' logits instead of their log-probabilities."""

Array = TypeVar("Array", bound=NDArray[Any])


class VllmSettings(config.Options):
    """How a model works, whichever it is.

    Attributes:
        dtype: ``auto`` takes the type that the model's configuration names. (vLLM's own ``auto`` would round float32 to 16 bits.)
        max_tokens: The longest input; the model's number of positions caps it. vLLM reserves memory for one such input at least.
        add_special_tokens: Whether the tokenizer may add special tokens by itself (they are never doubled).
        batch_tokens, batch_size: Tokens and inputs worked on at once; None leaves them to vLLM (but for answers on a CPU: 2,048 tokens).
        prefix_caching: Whether inputs that begin alike share that work, also across calls. What was measured with it on holds for
            these inputs in this order alone.
        tensor_parallel: Devices that the model is split over.
        memory_share: Of each GPU's memory, what weights and cache may take together. On a CPU the environment variable
            ``VLLM_CPU_KVCACHE_SPACE`` says what the cache takes, in GiB.
        enforce_eager: Whether nothing is compiled: vLLM starts sooner and works slower.
        seed: Of whatever is drawn; greedy answers draw nothing.
        pair_tokens: The longest pair of a cross-encoder, special tokens included.
        pair_cut: Which text of a longer pair is cut: see `pairs.PairTokens`.
    """

    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    max_tokens: int = Field(default=8192, ge=1)
    add_special_tokens: bool = True
    batch_tokens: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    prefix_caching: bool = False
    tensor_parallel: int = Field(default=1, ge=1)
    memory_share: float = Field(default=0.9, gt=0, le=1)
    enforce_eager: bool = False
    seed: int = 0
    pair_tokens: int = Field(default=512, ge=1)
    pair_cut: PairCut = "longest_first"


class VllmOptions(VllmSettings):
    """
    Attributes:
        model: A name on the hub, or a folder.
        revision: Branch, tag or commit of a hub model.
        tokenizer: A name on the hub, or a folder, where the model comes without one; empty: the model's own.
    """

    model: str
    revision: str = "main"
    tokenizer: str = ""


class VllmEngine(ReadsTokens):
    """A model in vLLM. What it can do depends on its kind; what it cannot raises an EngineError that says so.

    Raises:
        MissingExtra: vLLM is not installed.
        MissingWeights: the model is not at hand.
        EngineError: the tokenizer or the configuration cannot be loaded, there is no device, or the model is an encoder-decoder; at
            the first call: vLLM does not support the architecture, the model does not fit, or weights are missing.
    """

    Options: ClassVar[type[VllmSettings]] = VllmOptions
    name: ClassVar[str] = "vllm"
    caveat: ClassVar[str] = ""

    def __init__(self, options: VllmSettings) -> None:
        vllm_process.require(self.name)
        self.options = options
        self._folder = self._find_folder()
        self._tokenizer_folder = self._find_tokenizer_folder()
        self._loaded: tuple[Task, Any] | None = None
        vllm_process.prepare(self.name, self._model_name)
        with weights.loading(self.name, vllm_process.EXTRA, self._model_name):
            from transformers import AutoConfig

            self._shape = AutoConfig.from_pretrained(self._folder, local_files_only=True, trust_remote_code=False)
            tokenizer = load_tokenizer(self._tokenizer_folder)
        self._refuse_encoder_decoders()
        self._positions: int = positions_of(self._shape) or options.max_tokens
        longest = min(options.max_tokens, self._positions)
        self.tokens = HfTokens(tokenizer, max_tokens=longest, add_special_tokens=options.add_special_tokens)

    @classmethod
    def provenance(cls, options: Any) -> dict[str, str]:
        vllm_process.require(cls.name)
        found = weights.fingerprint(options.model, options.revision)
        return found | weights.tokenizer_fingerprint(options.tokenizer) if options.tokenizer else found

    def synchronise(self) -> None:
        """Results are on the host when vLLM gives them; what a device may still do besides ends here."""
        cuda: Any = import_module("torch").cuda
        if cuda.is_initialized():
            cuda.synchronize()

    def close(self) -> None:
        """Shut vLLM down and give its memory back. The next call would start it again."""
        if self._loaded is None:
            return
        (_, llm), self._loaded = self._loaded, None
        vllm_process.stop(llm)
        del llm  # it holds weights and cache
        vllm_process.collect()

    def forget_inputs(self) -> None:
        """Their tokens, and what prefix caching holds.

        Raises:
            EngineError: vLLM keeps some of it.
        """
        super().forget_inputs()
        if self._loaded is not None and self.options.prefix_caching and not self._loaded[1].reset_prefix_cache():
            raise EngineError(f"vLLM did not forget what it had read with model {self._model_name!r}: inputs are at work still.")

    def embed(self, texts: Sequence[str]) -> Floats:
        """The last token's state. A text without a single token gets the zero vector.

        Raises:
            OverLengthError: a text is longer than `max_tokens`; nothing was embedded.
            EngineError: vLLM cannot embed with this model, or a vector is not finite (half precision overflowed).
        """
        ids = self.tokens.encode(texts)
        self.tokens.check_lengths([len(i) for i in ids])
        vectors = np.zeros((len(ids), self._shape.hidden_size), dtype=np.float32)
        filled = [position for position, i in enumerate(ids) if len(i)]
        for position, vector in zip(filled, self._pooled("embed", [ids[p] for p in filled]), strict=True):
            vectors[position] = vector
        return self._finite(vectors)

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        """Greedy answers. A chat gets the model's template, and no special tokens besides.

        Raises:
            OverLengthError: a prompt and its answer may exceed `self.max_tokens` together; nothing was generated.
        """
        params = self._greedy(max_tokens, stop=list(stop), detokenize=bool(stop))
        return self._answers(prompts, max_tokens, [params] * len(prompts), stop)

    def generate_pattern(self, prompts: Sequence[Prompt], *, max_tokens: int, patterns: Sequence[str]) -> list[Call]:
        """
        Raises:
            OverLengthError: as for `generate`.
            EngineError: vLLM cannot hold answers to one of the patterns.
        """
        structured = vllm_process.part("sampling_params").StructuredOutputsParams
        params = [self._greedy(max_tokens, structured_outputs=structured(regex=pattern), detokenize=False) for pattern in patterns]
        return self._answers(prompts, max_tokens, params)

    def label_scores(self, prompts: Sequence[Prompt], labels: Sequence[str], *, kind: ScoreKind = "logprob") -> Doubles:
        """As the model gives them, however improbable a label is. Logits and log-probabilities each take a start of vLLM.

        Raises:
            OverLengthError: a prompt is longer than `max_tokens`, or leaves no position for one more token; nothing was scored.
            EngineError: a label is not one token, or there are more labels than vLLM scores at once (128).
        """
        ids = self.tokens.prompt_ids(prompts)
        self.tokens.check_lengths([len(i) for i in ids], min(self.tokens.max_tokens, self._positions - 1))
        label_ids = self.tokens.label_ids(labels)
        distinct, most = list(dict.fromkeys(label_ids)), vllm_process.part("sampling_params").MAX_LOGPROB_TOKEN_IDS
        if len(distinct) > most:
            raise EngineError(f"vLLM scores at most {most} labels at once, got {len(distinct)}.", hint="Use the engine 'transformers'.")
        scores = np.zeros((len(ids), len(labels)), dtype=np.float64)
        if not labels:
            return scores
        params = self._greedy(1, logprob_token_ids=distinct, detokenize=False)
        outputs, *_ = self._continued(("logits",) if kind == "logit" else ("generate",), ids, params)
        for row, output in enumerate(outputs):
            found = output.outputs[0].logprobs[0]
            scores[row] = [found[i].logprob for i in label_ids]
        return scores

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Doubles:
        """Of a model with one class its logit; of one with more, the log-probability of the last class (monoBERT).

        Raises:
            EngineError: the model is no cross-encoder, or a score is not finite.
        """
        read = self._pairs().encode(pairs)
        if not read:
            return np.zeros(0)
        params = [self._classify(pair) for pair in read]
        logits = np.stack(self._pooled("pairs", [pair.ids for pair in read], params)).astype(np.float64)
        if logits.shape[1] > 1:
            logits -= np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return self._finite(logits[:, -1])

    def pair_tokens(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
        return [(len(pair.ids), pair.cut_tokens) for pair in self._pairs().encode(pairs)]

    def _answers(self, prompts: Sequence[Prompt], max_tokens: int, params: Sequence[Any], stop: Sequence[str] = ()) -> list[Call]:
        ids = self.tokens.prompt_ids(prompts)
        self.tokens.check_lengths([len(i) for i in ids], self.tokens.max_tokens - max_tokens)
        # Whichever of the two is there: what they tell of tokens differs, not what they answer.
        outputs, began, seconds = self._continued(("generate", "logits"), ids, params)
        calls = [self._call(len(i), output.outputs[0], seconds, len(ids), stop) for i, output in zip(ids, outputs, strict=True)]
        return [replace(call, first_token_s=_first_token_s(output, began)) for call, output in zip(calls, outputs, strict=True)]

    def _call(self, prompt_tokens: int, answer: Any, seconds: float, batch_size: int, stop: Sequence[str]) -> Call:
        """
        Raises:
            EngineError: vLLM gave up on the answer.
        """
        if answer.finish_reason not in {"stop", "length"}:
            raise EngineError(f"vLLM ended an answer of model {self._model_name!r} by {answer.finish_reason!r}.")
        ids = list(answer.token_ids)
        # A token that ends the answer counts and is not shown, be it a special one or not; a text that ends it is cut off below.
        shown = ids[:-1] if answer.finish_reason == "stop" and not isinstance(answer.stop_reason, str) else ids
        text = str(self.tokens.tokenizer.decode(shown, skip_special_tokens=True, clean_up_tokenization_spaces=False))
        text = min([text, *(text.partition(end)[0] for end in stop)], key=len)
        return Call(prompt_tokens, len(ids), seconds, batch_size, text, finish=answer.finish_reason)

    def _greedy(self, max_tokens: int, **more: Any) -> Any:
        """Sampling parameters that a checkpoint's own recommendations do not touch: vLLM reads those where none are given."""
        return vllm_process.part().SamplingParams(temperature=0.0, max_tokens=max_tokens, **more)

    def _continued(self, tasks: Sequence[Task], ids: Sequence[Ids], params: Any) -> tuple[list[Any], float, float]:
        """What a generating model gives for each prompt, same order; when it began by `time.monotonic`, and the seconds from then on.

        The start of vLLM is not in them.
        """
        if not ids:
            return [], 0.0, 0.0
        llm, began = self._llm(*tasks), time.monotonic()
        with self._working():
            outputs = list(llm.generate(_as_prompts(ids), params, use_tqdm=False))
        return outputs, began, time.monotonic() - began

    def _pooled(self, task: Task, ids: Sequence[Ids], params: Sequence[Any] | None = None) -> list[Floats]:
        """What a pooling model gives for each input, same order, float32."""
        if not ids:
            return []
        llm = self._llm(task)
        with self._working():
            outputs = llm.encode(
                _as_prompts(ids), pooling_params=params, pooling_task="embed" if task == "embed" else "classify", use_tqdm=False
            )
        return [output.outputs.data.float().cpu().numpy() for output in outputs]

    def _classify(self, pair: Pair) -> Any:
        """Parameters for the classes' bare logits, with the place where the second text begins for models that are told."""
        told = "token_type_ids" in self.tokens.tokenizer.model_input_names and getattr(self._shape, "type_vocab_size", 0) > 1
        more = {"compressed_token_type_ids": int(pair.types.argmax())} if told and pair.types.any() else None
        return vllm_process.part().PoolingParams(use_activation=False, extra_kwargs=more)

    def _pairs(self) -> PairTokens:
        if not self._architecture.endswith("ForSequenceClassification"):
            raise EngineError(f"Model {self._model_name!r} is a {self._architecture} and no cross-encoder: it does not score pairs.")
        limit = self.options.pair_tokens
        if limit > self.tokens.max_tokens:
            raise EngineError(f"pair_tokens is {limit}, but model {self._model_name!r} reads {self.tokens.max_tokens} tokens only.")
        return PairTokens(self.tokens, limit=limit, cut=self.options.pair_cut)

    def _finite(self, values: Array) -> Array:
        if not np.isfinite(values).all():
            raise EngineError(f"A result of model {self._model_name!r} in {self.options.dtype} is not finite.", hint="Set dtype: float32.")
        return values

    def _llm(self, *tasks: Task) -> Any:
        """A `vllm.LLM` for one of `tasks`, started for the first of them where there is none; any other goes before, to make room."""
        if self._loaded is None or self._loaded[0] not in tasks:
            self.close()
            described = vllm_process.Described(self._model_name, self._folder, self._architecture, self.tokens.max_tokens)
            self._loaded = tasks[0], vllm_process.start(described, self._llm_arguments(tasks[0]))
        return self._loaded[1]

    def _llm_arguments(self, task: Task) -> dict[str, Any]:
        """What vLLM's `LLM` is made with."""
        options = self.options
        tuned = {"max_num_batched_tokens": options.batch_tokens or self._default_batch_tokens(task), "max_num_seqs": options.batch_size}
        return {
            "model": str(self._folder),
            "tokenizer": str(self._tokenizer_folder),
            "dtype": self._dtype(),
            "max_model_len": self._max_model_len(task),
            "enable_prefix_caching": options.prefix_caching,
            "tensor_parallel_size": options.tensor_parallel,
            "gpu_memory_utilization": options.memory_share,
            "enforce_eager": options.enforce_eager,
            "seed": options.seed,
            # Not the transformers library's classes, which vLLM would change in place: that library could not use them any more.
            "model_impl": "vllm",
            "trust_remote_code": False,
            "use_tqdm_on_load": False,
            **{key: value for key, value in tuned.items() if value is not None},
            **self._task_arguments(task),
        }

    def _task_arguments(self, task: Task) -> dict[str, Any]:
        if task == "embed":
            pooler = vllm_process.part("config").PoolerConfig(seq_pooling_type="LAST", use_activation=True)
            return {"runner": "pooling", "convert": "embed", "pooler_config": pooler}
        if task == "pairs":
            return {"runner": "pooling"}
        # Statistics: with them every answer tells when its first token was there.
        return {"runner": "generate", "logprobs_mode": "raw_logits" if task == "logits" else "raw_logprobs", "disable_log_stats": False}

    def _default_batch_tokens(self, task: Task) -> int | None:
        """On a CPU half of what vLLM takes for offline answers: sliding windows over DL19 then took 2.9 s a query in place of 3.8."""
        cuda: Any = import_module("torch").cuda
        return 2048 if task in {"generate", "logits"} and not cuda.is_available() else None

    def _max_model_len(self, task: Task) -> int:
        """One more for the token whose scores are asked for, where the model has a position for it."""
        longest = self.tokens.max_tokens
        return min(longest + 1, self._positions) if task in {"generate", "logits"} else longest

    def _dtype(self) -> str:
        stored = getattr(self._shape, "dtype", None)
        return self.options.dtype if self.options.dtype != "auto" or stored is None else str(stored).removeprefix("torch.")

    @property
    def _model_name(self) -> str:
        return getattr(self.options, "model", "")

    @property
    def _architecture(self) -> str:
        return next(iter(self._shape.architectures or ()), type(self._shape).__name__)

    def _find_folder(self) -> Path:
        """The folder of the model's configuration and weights."""
        options = VllmOptions.model_validate(self.options)
        return weights.model_folder(options.model, options.revision)

    def _find_tokenizer_folder(self) -> Path:
        named = getattr(self.options, "tokenizer", "")
        return weights.tokenizer_folder(named) if named else self._folder

    def _refuse_encoder_decoders(self) -> None:
        if kind_of(self._shape) == "encoder-decoder":
            raise EngineError(
                f"Model {self._model_name!r} is an encoder-decoder ({self._architecture}), which vLLM does not support.",
                hint="Use the engine 'transformers'.",
            )

    @contextmanager
    def _working(self) -> Iterator[None]:
        """
        Raises:
            EngineError: vLLM failed.
        """
        try:
            yield
        except vllm_process.failures() as error:
            self.close()  # nobody knows what state it is in
            raise vllm_process.failed(self._model_name, error) from error
        except KeyboardInterrupt:
            self.close()  # this call's inputs are in its queue still
            raise


def _as_prompts(ids: Sequence[Ids]) -> list[dict[str, list[int]]]:
    return [{"prompt_token_ids": i.tolist()} for i in ids]


def _first_token_s(output: Any, began: float) -> float:
    """Seconds from `began` until the answer's first token; 0 where this vLLM does not say. Its core stamps tokens by `time.monotonic`."""
    there = getattr(output.metrics, "first_token_ts", 0.0)
    return max(0.0, there - began) if there else 0.0

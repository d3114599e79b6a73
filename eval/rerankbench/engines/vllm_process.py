"""vLLM in this process: its environment, its start and its end, and what it means when it complains. Knows no input.

Holds for vLLM 0.26 to 0.32. Nothing of vLLM is imported before it is asked for.
"""

from __future__ import annotations

import logging
import os
import struct
import sys
import textwrap
import traceback
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rerankbench.engines import weights
from rerankbench.errors import EngineError, MissingExtra

EXTRA = "vllm"
ENVIRONMENT: Mapping[str, str] = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine's core in this process: it starts in seconds, and ends with us
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB, on a CPU alone: 8,192 tokens of Qwen3-0.6B in float32 take 1.75
    # One host. Without a network vLLM and gloo would look for an address under which others reach it, and find none.
    "VLLM_HOST_IP": "127.0.0.1",
    "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    # Both may compile or fetch kernels at start, for what is not done here: sampling, and weights of 8 bits.
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "VLLM_USE_DEEP_GEMM": "0",
}
"""Set where the environment does not say otherwise."""

_ON_A_CPU = "How vLLM is had on a CPU, in an environment of its own: `make test-vllm` builds it."
_FIT = "Lower max_tokens, raise memory_share, or set tensor_parallel to more devices; on a CPU set VLLM_CPU_KVCACHE_SPACE to more GiB."
_SAY_MORE = "VLLM_LOGGING_LEVEL=INFO in the environment lets vLLM say more."
_REASON_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class Described:
    """A model, as messages speak of it.

    Attributes:
        name: What the user calls it.
        folder: Its configuration and weights.
        architecture: The class that its configuration names.
        longest: Tokens of the longest input that room is made for.
    """

    name: str
    folder: Path
    architecture: str
    longest: int


def require(engine: str) -> None:
    """
    Raises:
        MissingExtra: vLLM is not installed. It is not imported.
    """
    try:
        weights.require(engine, EXTRA, "vllm", "transformers")
    except MissingExtra as error:
        error.hint = f"{error.hint}  (for GPUs)\n{_ON_A_CPU}"
        raise


def prepare(engine: str, model: str) -> None:
    """Set the environment and import vLLM.

    Raises:
        MissingExtra: something that vLLM imports is not installed.
        EngineError: vLLM cannot be imported, or sees no device.
    """
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"].upper())  # it speaks before it reads the environment
    with weights.loading(engine, EXTRA, model), warnings.catch_warnings(action="ignore"):
        device = part("platforms").current_platform.device_type
    if not device:
        raise EngineError("vLLM sees no device to work on.", hint=f"This build of it is for GPUs: see nvidia-smi. {_ON_A_CPU}")


def part(module: str = "") -> Any:
    """A module of vLLM, or vLLM itself. Imported by name, so that types are checked alike where there is no vLLM."""
    return import_module(f"vllm.{module}" if module else "vllm")


def start(model: Described, arguments: Mapping[str, Any]) -> Any:
    """A new `vllm.LLM`.

    Raises:
        EngineError: vLLM does not support the architecture, the model does not fit, its files are damaged or lack weights, or vLLM
            does not take `arguments` for another reason; or it runs in this process already. Nothing stays loaded.
    """
    if part("distributed.parallel_state").model_parallel_is_initialized():
        # Two share process groups: the end of one would be the end of both.
        raise EngineError("vLLM runs in this process already, for another engine.", hint="Close that engine first.")
    try:
        names = set(_weight_names(model.folder))
        with _offline(), warnings.catch_warnings(action="ignore"):
            llm = part().LLM(**arguments)
    except failures() as error:
        traceback.clear_frames(error.__traceback__)  # they hold what was loaded so far
        collect()
        raise _not_started(model, _reason(error)) from error
    gaps = gaps_beside(names, _fused(llm))
    if gaps:
        stop(llm)
        del llm
        collect()
        why = f"The files of model {model.name!r} lack {len(gaps)} weights, the first is {gaps[0]!r}."
        raise EngineError(why, hint="The download may be incomplete.")
    return llm


def stop(llm: Any) -> None:
    """Shut down what `start` gave. Its memory is free once nobody holds it any more and `collect` was called."""
    llm.llm_engine.engine_core.shutdown()


def collect() -> None:
    """Give back what a stopped vLLM leaves behind: process groups, reference cycles, memory that torch keeps for itself."""
    part("distributed.parallel_state").cleanup_dist_env_and_memory()


def failures() -> tuple[type[Exception], ...]:
    """What vLLM was seen to raise at its start or at work, or may for like reasons."""
    common = (OSError, ValueError, LookupError, RuntimeError, AssertionError, AttributeError, TypeError, ImportError)
    # Since 0.32 its own errors have a common base, and are no ValueErrors any more.
    own = (getattr(part("exceptions"), "VLLMError", ValueError), part("v1.engine.exceptions").EngineDeadError)
    return (*common, *own, MemoryError, struct.error, import_module("safetensors").SafetensorError)


def failed(model: str, error: BaseException) -> EngineError:
    """What to raise where vLLM stopped in the middle of its work."""
    return EngineError(f"vLLM failed at model {model!r}: {_reason(error)}", hint=_SAY_MORE)


def gaps_beside(names: Collection[str], groups: Iterable[Sequence[str]]) -> list[str]:
    """Weights that are not among `names` though some are that go into one tensor with them.

    vLLM says nothing where it finds but a part of such a tensor, and leaves the rest as it was in memory.

    Args:
        groups: Modules whose weights become one tensor, e.g. ``gate_proj`` and ``up_proj``.
    """
    present = {name for name in names if name.endswith(".weight")}
    wanted = {
        name.replace(f".{module}.", f".{other}.")
        for group in groups
        for module in group
        for name in present
        if f".{module}." in name
        for other in group
    }
    return sorted(wanted - present)


def _fused(llm: Any) -> Iterable[Sequence[str]]:
    loaded_as = part("model_executor.model_loader.utils").get_model_cls(llm.model_config)
    groups: Mapping[str, Sequence[str]] = getattr(loaded_as, "packed_modules_mapping", {})
    return groups.values()


def _weight_names(folder: Path) -> Iterator[str]:
    """Names of all tensors in a model's safetensors files; reads their headers alone."""
    safe_open: Any = import_module("safetensors").safe_open
    for file in folder.glob("model*.safetensors"):
        with safe_open(file, framework="np") as tensors:
            yield from tensors.keys()


def _not_started(model: Described, reason: str) -> EngineError:
    if "not supported for now" in reason:
        why = f"vLLM does not support the architecture {model.architecture} of model {model.name!r}: {reason}"
        return EngineError(why, hint="Use the engine 'transformers'.")
    if "memory" in reason.casefold():
        return EngineError(f"Model {model.name!r} does not fit, with room for inputs of {model.longest} tokens: {reason}", hint=_FIT)
    return EngineError(f"vLLM could not be started with model {model.name!r}: {reason}", hint=_SAY_MORE)


def _reason(error: BaseException) -> str:
    """What a library says, on one line. Errors of pydantic, which vLLM checks its options with, begin with their number instead."""
    said = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
    first = next(iter(said.strip().splitlines()), "").removeprefix("Value error, ").partition(" Supported architectures: ")[0]
    short = textwrap.shorten(first, _REASON_CHARACTERS, placeholder=" …")
    return short if short and isinstance(error, ValueError) else f"{type(error).__name__}: {short}"


@contextmanager
def _offline() -> Iterator[None]:
    """No network for what vLLM starts beside this process: a model is in its folder by now."""
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before

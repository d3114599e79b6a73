"""vLLM in this process: its environment, its start and its end, and what it means when it complains. Knows no input.

Holds for vLLM 0.26 to 0.32. Nothing of vLLM is imported before it is asked for.
"""

from __future__ import annotations

import logging
import os
import struct
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    "GLOO_SOCKET_IFNAME": "lo",
    # Both may compile or fetch kernels at start, for what is not done here: sampling, and weights of 8 bits.
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "VLLM_USE_DEEP_GEMM": "0",
}
"""Set where the environment does not say otherwise."""

FAILURES = (OSError, ValueError, LookupError, RuntimeError, AssertionError, AttributeError, TypeError, struct.error)
"""What vLLM was seen to raise, at its start or at work, or may for like reasons."""

_ON_A_CPU = "How vLLM is had on a CPU, in an environment of its own: `make test-vllm` builds it."
_FIT = "Lower max_tokens, raise memory_share, or set tensor_parallel to more devices; on a CPU set VLLM_CPU_KVCACHE_SPACE to more GiB."
_SAY_MORE = "VLLM_LOGGING_LEVEL=INFO in the environment lets vLLM say more."


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
        EngineError: vLLM does not support the architecture, the model does not fit, its files lack weights, or vLLM does not take
            `arguments` for another reason. Nothing stays loaded.
    """
    try:
        with _offline(), warnings.catch_warnings(action="ignore"):
            return part().LLM(**arguments)
    except (*FAILURES, import_module("safetensors").SafetensorError) as error:
        traceback.clear_frames(error.__traceback__)  # they hold what was loaded so far
        collect()
        raise _not_started(model, _reason(error)) from error


def stop(llm: Any) -> None:
    """Shut down what `start` gave. Its memory is free once nobody holds it any more and `collect` was called."""
    llm.llm_engine.engine_core.shutdown()


def collect() -> None:
    """Give back what a stopped vLLM leaves behind: process groups, reference cycles, memory that torch keeps for itself."""
    part("distributed.parallel_state").cleanup_dist_env_and_memory()


def check_weights(llm: Any, model: Described) -> None:
    """Some weights are loaded into one tensor, and vLLM says nothing where it finds but a part of it: the rest is what was in memory.

    Raises:
        EngineError: the files hold a part of such a tensor.
    """
    loaded_as = part("model_executor.model_loader.utils").get_model_cls(llm.model_config)
    gaps = gaps_beside(_weight_names(model.folder), getattr(loaded_as, "packed_modules_mapping", {}).values())
    if gaps:
        raise EngineError(
            f"The files of model {model.name!r} lack {len(gaps)} weights, the first is {gaps[0]!r}.", hint="The download may be incomplete."
        )


def failed(model: str, error: BaseException) -> EngineError:
    """What to raise where vLLM stopped in the middle of its work."""
    return EngineError(f"vLLM failed at model {model!r}: {_reason(error)}", hint=_SAY_MORE)


def gaps_beside(names: Iterable[str], groups: Iterable[Sequence[str]]) -> list[str]:
    """Weights that are not among `names` though some are that are fused with them.

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


def _weight_names(folder: Path) -> Iterator[str]:
    """Names of all tensors in a model's safetensors files; reads their headers alone."""
    safe_open: Any = import_module("safetensors").safe_open
    for file in folder.glob("model*.safetensors"):
        with safe_open(file, framework="np") as tensors:
            yield from tensors.keys()


def _not_started(model: Described, reason: str) -> EngineError:
    if model.architecture not in part("model_executor.models.registry").ModelRegistry.get_supported_archs():
        why = f"vLLM does not support the architecture {model.architecture} of model {model.name!r}: {reason}"
        return EngineError(why, hint="Use the engine 'transformers'.")
    if "memory" in reason.casefold():
        return EngineError(f"Model {model.name!r} does not fit, with room for inputs of {model.longest} tokens: {reason}", hint=_FIT)
    return EngineError(f"vLLM could not be started with model {model.name!r}: {reason}", hint=_SAY_MORE)


def _reason(error: BaseException) -> str:
    """What a library says, on one line. Errors of pydantic, which vLLM checks its options with, begin with their number instead."""
    said = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
    first = next(iter(said.strip().splitlines()), "").removeprefix("Value error, ")
    return first if first and isinstance(error, ValueError) else f"{type(error).__name__}: {first}"


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

"""Attention within each of several sequences that lie in one row, so that no token of padding is ever computed.

It is registered with the transformers library as one more attention implementation, and a model takes it for the length of a
`with` block. Causal attention only: for decoders without a sliding window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import signature
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rerankbench.errors import EngineError

if TYPE_CHECKING:
    import torch

NAME = "rerankbench_packed"


@dataclass(frozen=True, slots=True)
class Sequences:
    """Where the sequences of a row lie.

    Attributes:
        starts: Shape (sequences + 1,), int32, on the row's device.
        bounds: The same numbers on the host.
    """

    starts: torch.Tensor
    bounds: tuple[int, ...]


@contextmanager
def attending_packed(model: Any) -> Iterator[None]:
    """Let `model`, and nothing else, attend within sequences; its forward then wants them as the argument ``sequences``.

    Raises:
        EngineError: the model's code has its attention built in.
    """
    from transformers import AttentionInterface

    if not getattr(model, "_supports_attention_backend", False):
        raise EngineError(f"{type(model).__name__} takes no attention function, so it cannot work packed.", hint="Set batching: padded.")
    AttentionInterface.register(NAME, attend)
    before = model.config._attn_implementation  # noqa: SLF001  the library's own functions read and set it here
    # No mask function is registered under this name: the library then makes no mask, which for a packed row would be quadratic.
    model.config._attn_implementation = NAME  # noqa: SLF001
    try:
        yield
    finally:
        model.config._attn_implementation = before  # noqa: SLF001


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001  the library's interface
    *,
    scaling: float | None = None,
    sequences: Sequences | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each sequence.

    Args:
        query: Shape (1, heads, tokens, size).
        key, value: The same with fewer heads where they are grouped.

    Returns:
        Shape (1, tokens, heads, size), as the library wants it; and no weights.
    """
    if sequences is None:
        raise EngineError(
            f"{type(module).__name__} does not hand on where sequences begin, so it cannot work packed.", hint="Set batching: padded."
        )
    varlen = _varlen() if query.is_cuda and query.element_size() == 2 else None
    if varlen is None:
        return _one_by_one(query, key, value, scaling, sequences.bounds), None
    rows = (states.squeeze(0).transpose(0, 1) for states in (query, key, value))
    return varlen(*rows, sequences, scaling).unsqueeze(0), None


def _one_by_one(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, bounds: tuple[int, ...]
) -> torch.Tensor:
    from torch import empty
    from torch.nn.functional import scaled_dot_product_attention

    _, heads, tokens, size = query.shape
    grouped = key.shape[1] != heads
    out = empty((1, tokens, heads, size), dtype=query.dtype, device=query.device)
    for start, end in pairwise(bounds):
        inside = slice(start, end)
        attended = scaled_dot_product_attention(
            query[:, :, inside], key[:, :, inside], value[:, :, inside], is_causal=True, scale=scaling, enable_gqa=grouped
        )
        out[:, inside] = attended.transpose(1, 2)
    return out


@cache
def _varlen() -> Callable[..., torch.Tensor] | None:
    """The kernel for packed rows, by what is installed: torch's own (2.10 and later), else flash-attn's; None: neither."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return _flash_attn()
    known = signature(varlen_attn).parameters
    # Its arguments grew by the release: 2.10 has is_causal alone, later ones have window_size, scale and enable_gqa.
    causal: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}

    def run(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, sequences: Sequences, scaling: float | None) -> torch.Tensor:
        wanted = dict(causal)
        if "scale" in known:
            wanted["scale"] = scaling
        elif scaling is not None:
            query = query * (scaling * query.shape[-1] ** 0.5)  # the kernel divides by the root of the size by itself
        if "enable_gqa" in known:
            wanted["enable_gqa"] = key.shape[1] != query.shape[1]
        else:
            key, value = (states.repeat_interleave(query.shape[1] // states.shape[1], dim=1) for states in (key, value))
        longest = _longest(sequences)
        kernel: Any = varlen_attn
        out: torch.Tensor = kernel(query, key, value, sequences.starts, sequences.starts, longest, longest, **wanted)
        return out

    return run


def _flash_attn() -> Callable[..., torch.Tensor] | None:
    try:
        flash_attn_varlen_func = import_module("flash_attn").flash_attn_varlen_func
    except ImportError:
        return None

    def run(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, sequences: Sequences, scaling: float | None) -> torch.Tensor:
        longest = _longest(sequences)
        out: torch.Tensor = flash_attn_varlen_func(
            query, key, value, sequences.starts, sequences.starts, longest, longest, softmax_scale=scaling, causal=True
        )
        return out

    return run


def _longest(sequences: Sequences) -> int:
    return max(end - start for start, end in pairwise(sequences.bounds))

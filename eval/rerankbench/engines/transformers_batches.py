"""How inputs of unequal length lie in one tensor: sorted by length, then padded to a rectangle or packed into one row. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from rerankbench.engines.hf_tokens import Ids

if TYPE_CHECKING:
    import torch

Longs = NDArray[np.int64]


def pieces(texts: Sequence[str], characters: int | None) -> Iterator[Sequence[str]]:
    """The list in pieces that hold at most so many characters, or one text that is longer; None: in one piece. None of them is empty."""
    start = size = 0
    for end, text in enumerate(texts):
        if characters is not None and end > start and size + len(text) > characters:
            yield texts[start:end]
            start, size = end, 0
        size += len(text)
    if len(texts):
        yield texts[start:]


def plan_batches(lengths: Sequence[int], batch_tokens: int, *, padded: bool = True) -> list[list[int]]:
    """Group inputs of like length so that each batch holds at most `batch_tokens` tokens.

    Args:
        padded: Whether every input of a batch takes as many tokens as its longest.

    Returns:
        Positions; the longest inputs first, so that memory that does not suffice shows at once. Inputs of length 0 are in no
        batch. An input longer than `batch_tokens` is alone in its batch.
    """
    batches: list[list[int]] = []
    width = room = 0
    for position in sorted((p for p, n in enumerate(lengths) if n), key=lambda p: -lengths[p]):
        needed = width if padded and batches else lengths[position]
        if batches and needed <= room:
            batches[-1].append(position)
        else:
            batches.append([position])
            width = needed = lengths[position]
            room = batch_tokens
        room -= needed
    return batches


def padded(batch: Sequence[Ids], pad_id: int, side: Literal["left", "right"]) -> tuple[Longs, Longs]:
    """Returns: ids and mask, both shape (inputs, longest)."""
    width = max(len(ids) for ids in batch)
    rectangle = np.full((len(batch), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(batch), width), dtype=np.int64)
    for row, ids in enumerate(batch):
        place = slice(width - len(ids), None) if side == "left" else slice(len(ids))
        rectangle[row, place] = ids
        mask[row, place] = 1
    return rectangle, mask


@dataclass(frozen=True, slots=True)
class Row:
    """Inputs one behind the other.

    Attributes:
        ids: Shape (1, tokens).
        positions: Shape (1, tokens): each token's place in its own input.
        starts: Shape (inputs + 1,), int32: where each input begins, and where the last ends.
    """

    ids: Longs
    positions: Longs
    starts: NDArray[np.int32]


def packed(batch: Sequence[Ids]) -> Row:
    lengths = np.array([len(ids) for ids in batch])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    positions = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    return Row(np.concatenate(batch).astype(np.int64)[None], positions[None], starts.astype(np.int32))


def to_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Copy to the device without waiting for it: what the device does meanwhile goes on."""
    import torch

    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def gather(into: NDArray[Any], batches: Sequence[Sequence[int]], outputs: Sequence[torch.Tensor]) -> None:
    """Bring what each batch gave to the host, all at once, and write it into the rows of its inputs.

    Args:
        outputs: For each batch a tensor whose first dimension is its inputs, in the batch's order.
    """
    import torch

    if batches:
        into[[position for batch in batches for position in batch]] = torch.cat(list(outputs)).cpu().numpy()

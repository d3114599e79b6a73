"""One batch through a loaded model: token ids in, states or logits at the places that matter out, on the device. Knows no text."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rerankbench.engines.hf_tokens import Ids
from rerankbench.engines.packed_attention import Sequences, attending_packed
from rerankbench.engines.pairs import Pair
from rerankbench.engines.transformers_batches import Longs, packed, padded, to_device

if TYPE_CHECKING:
    import torch

Pooling = Literal["last", "mean", "cls"]


class Forward:
    """
    Args:
        pad_id: What fills up a rectangle.
        decoder: Whether models attend to earlier tokens only; they are padded on the left, others on the right.
        packs: Whether a decoder's last tokens are had from packed rows.
    """

    def __init__(self, device: torch.device, *, pad_id: int, decoder: bool, packs: bool) -> None:
        self._device = device
        self._pad_id = pad_id
        self._decoder = decoder
        self._packs = packs

    def rectangle(self, batch: Sequence[Ids]) -> dict[str, torch.Tensor]:
        """Ids and mask, both shape (inputs, longest), by the names of the library's arguments."""
        ids, mask = padded(batch, self._pad_id, "left" if self._decoder else "right")
        return {"input_ids": to_device(ids, self._device), "attention_mask": to_device(mask, self._device)}

    def text_states(self, model: Any, batch: Sequence[Ids], pooling: Pooling) -> torch.Tensor:
        """Returns: shape (inputs, hidden size)."""
        if self._packs and pooling == "last":
            states, ends = self._packed(model, batch)
            found: torch.Tensor = states.last_hidden_state[0, ends]
            return found
        inputs = self._placed(model, self.rectangle(batch))
        return pooled(model(**inputs).last_hidden_state, inputs["attention_mask"], pooling)

    def states_at(self, model: Any, batch: Sequence[Ids], places: Sequence[Longs]) -> torch.Tensor:
        """A decoder's states at given places of each input, one input behind the other: shape (all places, hidden size)."""
        if self._packs:
            states, starts = self._packed(model, batch)[0].last_hidden_state, np.cumsum([0, *map(len, batch[:-1])])
        else:
            inputs = self._placed(model, self.rectangle(batch))
            states = model(**inputs, use_cache=False).last_hidden_state
            starts = np.array([(row + 1) * states.shape[1] - len(ids) for row, ids in enumerate(batch)])
        wanted = np.concatenate([start + inside for start, inside in zip(starts, places, strict=True)])
        found: torch.Tensor = states.flatten(0, 1)[to_device(wanted, self._device)]
        return found

    def next_logits(self, model: Any, batch: Sequence[Ids]) -> torch.Tensor:
        """Logits of a decoder's next token. The language head works at that one place alone.

        Returns:
            Shape (inputs, vocabulary).
        """
        if self._packs:
            found: torch.Tensor = self._packed(model, batch, head=True)[0].logits[0]
            return found
        inputs = self._placed(model, self.rectangle(batch))
        last: torch.Tensor = model(**inputs, use_cache=False, logits_to_keep=1).logits[:, -1]
        return last

    def first_logits(self, model: Any, batch: Sequence[Ids]) -> torch.Tensor:
        """Logits of the first token of an encoder-decoder's answer: shape (inputs, vocabulary)."""
        inputs = self.rectangle(batch)
        start = inputs["input_ids"].new_full((len(batch), 1), model.generation_config.decoder_start_token_id)
        first: torch.Tensor = model(**inputs, decoder_input_ids=start, use_cache=False).logits[:, -1]
        return first

    def pair_logits(self, model: Any, batch: Sequence[Pair], *, types: bool) -> torch.Tensor:
        """Returns: shape (pairs, classes)."""
        inputs = self.rectangle([pair.ids for pair in batch])
        if types:
            inputs["token_type_ids"] = to_device(padded([pair.types for pair in batch], 0, "right")[0], self._device)
        logits: torch.Tensor = model(**inputs).logits
        return logits

    def _placed(self, model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """With positions of its own, a text that is padded on the left gets the very rotations that it gets alone."""
        if self._decoder and "position_ids" in signature(model.forward).parameters:
            inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
        return inputs

    def _packed(self, model: Any, batch: Sequence[Ids], *, head: bool = False) -> tuple[Any, torch.Tensor]:
        """The model's output for inputs in one row, and where their last tokens are. With `head`, logits at those places only."""
        row = packed(batch)
        ends = to_device(row.starts[1:].astype(np.int64) - 1, self._device)
        kept = {"logits_to_keep": ends} if head else {}
        sequences = Sequences(to_device(row.starts, self._device), tuple(row.starts.tolist()))
        with attending_packed(model):
            out = model(
                input_ids=to_device(row.ids, self._device),
                position_ids=to_device(row.positions, self._device),
                use_cache=False,
                sequences=sequences,
                **kept,
            )
        return out, ends


def pooled(states: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """One state an input: shape (inputs, hidden size) from (inputs, longest, hidden size); padding on either side."""
    if pooling == "mean":
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)
    # argmax gives the first of equals: the first token, or the last one as seen from behind.
    place = mask.argmax(1) if pooling == "cls" else mask.shape[1] - 1 - mask.flip(1).argmax(1)
    return states[to_device(np.arange(len(states)), states.device), place]

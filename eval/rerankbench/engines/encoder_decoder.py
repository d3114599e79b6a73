"""Fusion-in-Decoder: texts are encoded apart, and the decoder reads the states of all of them (Izacard and Grave; ListT5).

Padding between the texts is left out. That changes nothing: cross-attention masks it, and in T5 it has no positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rerankbench.engines.hf_tokens import Ids
from rerankbench.engines.transformers_batches import plan_batches
from rerankbench.engines.transformers_forward import Forward

if TYPE_CHECKING:
    import torch


def fused_inputs(model: Any, forward: Forward, groups: Sequence[Sequence[Ids]], batch_tokens: int) -> dict[str, Any]:
    """What `generate` needs to answer over each group: encoder states, shape (groups, longest, hidden size), and their mask."""
    from torch.nn.utils.rnn import pad_sequence
    from transformers.modeling_outputs import BaseModelOutput

    states = _encoded(model, forward, [ids for group in groups for ids in group], batch_tokens)
    joined, first = [], 0
    for group in groups:
        joined.append(_joined(states[first : first + len(group)]))
        first += len(group)
    mask = pad_sequence([rows.new_ones(len(rows)).long() for rows in joined], batch_first=True)
    return {"encoder_outputs": BaseModelOutput(last_hidden_state=pad_sequence(joined, batch_first=True)), "attention_mask": mask}


def _encoded(model: Any, forward: Forward, texts: Sequence[Ids], batch_tokens: int) -> list[torch.Tensor]:
    """Each text's states without padding: shape (tokens, hidden size)."""
    encoder = model.get_encoder()
    found: dict[int, torch.Tensor] = {}
    for positions in plan_batches([len(ids) for ids in texts], batch_tokens):
        states = encoder(**forward.rectangle([texts[p] for p in positions])).last_hidden_state
        found.update((p, rows[: len(texts[p])]) for p, rows in zip(positions, states, strict=True))
    return [found[position] for position in range(len(texts))]


def _joined(states: Sequence[torch.Tensor]) -> torch.Tensor:
    from torch import cat

    return cat(list(states))

"""Published outputs are met by the engine that gives them, and a deviation names its side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from rerankbench.config import load_systems
from rerankbench.golden import check, explain
from rerankbench.protocols import Floats
from rerankbench.records import Chat
from rerankbench.reference.golden import load

# The card's texts, written out by hand from its sample code.
CHINA, GRAVITY = "What is the capital of China?", "Explain gravity"
BEIJING = "The capital of China is Beijing.<|endoftext|>"
FORCE = (
    "Gravity is a force that attracts two bodies towards each other. It gives weight to physical objects and is responsible for the"
    " movement of planets around the sun.<|endoftext|>"
)
TASK = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
LISTWISE = (
    "<user>Given a web search query and some relevant documents, rerank the documents that answer the query:\nDocuments:\n"
    f"[1] {BEIJING}\n[2] {FORCE}Search Query:"
)
PUBLISHED = {
    f"{TASK}{CHINA}<|endoftext|>": (0.5958386659622192, 0.030148349702358246),
    f"{TASK}{GRAVITY}<|endoftext|>": (0.060259245336055756, 0.5595865249633789),
    f"{LISTWISE}{CHINA}<assistant>": (0.8516960144042969, 0.24043934047222137),
    f"{LISTWISE}{GRAVITY}<assistant>": (0.33099934458732605, 0.7905282974243164),
}


class Card:
    """Gives the vectors whose cosines the card prints: documents are the first two axes, the third makes queries a unit long.

    Attributes:
        shift: Added to the first cosine of every text that holds this text.
    """

    name: ClassVar[str] = "card"
    caveat: ClassVar[str] = ""
    has_chat_template = True

    def __init__(self, shift: tuple[str, float] = ("", 0.0)) -> None:
        self.shift = shift

    def embed(self, texts: Sequence[str]) -> Floats:
        return np.asarray([self._vector(text) for text in texts], dtype=np.float32)

    def render_chat(self, chat: Chat) -> str:
        assert not chat.thinking
        return "".join(f"<{m.role}>{m.content}" for m in chat.messages) + "<assistant>"

    def synchronise(self) -> None: ...

    def close(self) -> None: ...

    def _vector(self, text: str) -> tuple[float, float, float]:
        if text in {BEIJING, FORCE}:
            return (1.0, 0.0, 0.0) if text == BEIJING else (0.0, 1.0, 0.0)
        first, second = PUBLISHED[text]  # any other text would be a prompt that is not the card's
        first += self.shift[1] if self.shift[0] in text else 0.0
        return first, second, (1 - first**2 - second**2) ** 0.5


def test_the_cards_outputs_are_met_by_an_engine_that_gives_them() -> None:
    checked = check(load_systems()["E2Rank-0.6B"], Card(), load()["E2Rank-0.6B"])
    assert [c.output.mode for c in checked] == ["query-only", "listwise"]
    assert all(c.agrees and c.nearest == "vllm" and c.distance["vllm"] < 1e-6 for c in checked)
    # transformers' own figures are further off, but within the tolerance: 0.5595865 against 0.5626913
    assert checked[0].distance["transformers"] == pytest.approx(0.0031048, abs=1e-6)
    assert explain(checked).startswith("Every published output is met")


@pytest.mark.parametrize(
    ("shift", "off", "said"),
    [
        (("Search Query", 0.02), [False, True], "the listwise prompt does not"),
        (("Instruct:", 0.02), [True, False], "plain queries do not"),
        (("", 0.02), [True, True], "All modes are off"),
    ],
)
def test_what_is_off_is_named(shift: tuple[str, float], off: list[bool], said: str) -> None:
    checked = check(load_systems()["E2Rank-0.6B"], Card(shift), load()["E2Rank-0.6B"])
    assert [not c.agrees for c in checked] == off
    assert said in explain(checked)

"""How a document or query becomes the text that an encoder reads: template, word limit, the engine's length. Counted, never silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rerankbench.cutting import cut_before_end, first_words
from rerankbench.errors import OverLengthError
from rerankbench.protocols import Tokens

Overflow = Literal["truncate", "error"]
SLOT = "{text}"


@dataclass(frozen=True)
class TextRule:
    """Cut to words, set into the template, cut to tokens.

    With the template ``{text}END`` this is what the embedding ranker does with its documents, byte for byte, so that vectors can be
    reused there (a test holds it).

    Attributes:
        template: Holds ``{text}`` once; other braces are text.
        max_words: The first so many white-space separated words are read, joined by single spaces; None leaves the text as it is.
        overflow: What happens to what is longer than the engine takes: ``truncate`` cuts it from the right, what the template has
            behind it stays.
    """

    template: str = SLOT
    max_words: int | None = None
    overflow: Overflow = "truncate"

    def texts(self, contents: Sequence[str], tokens: Tokens | None) -> tuple[list[str], Counter[str]]:
        """The texts to encode, and how many were ``shortened`` (by words), ``truncated`` (by tokens) or ``empty``.

        Args:
            tokens: The engine, where it counts tokens; nothing is cut to its length where it does not.

        Raises:
            OverLengthError: a text is too long, and either `overflow` is ``error`` or nothing of it would be left.
        """
        cut = [self._first_words(c) for c in contents]
        bodies = [body for body, _ in cut]
        before, _, after = self.template.partition(SLOT)
        texts = [before + body + after for body in bodies]
        counts = Counter(shortened=sum(was for _, was in cut), empty=sum(not body.strip() for body in bodies), truncated=0)
        if tokens is not None and texts:
            long = [i for i, n in enumerate(tokens.count_tokens(texts)) if n > tokens.max_tokens]
            for i in long:
                texts[i] = self._cut(before, bodies[i], after, tokens)
            counts["truncated"] = len(long)
        return texts, counts

    def _first_words(self, text: str) -> tuple[str, bool]:
        return (text, False) if self.max_words is None else first_words(text, self.max_words)

    def _cut(self, before: str, body: str, after: str, tokens: Tokens) -> str:
        if self.overflow == "truncate":
            cut = cut_before_end(before + body, after, tokens.max_tokens, tokens.truncate, lambda text: tokens.count_tokens([text])[0])
            if cut is not None and len(cut) > len(before) + len(after):
                return cut
        raise OverLengthError(
            f"A text is longer than the {tokens.max_tokens} tokens that the engine takes: {body[:60]!r} …",
            hint="Set overflow: truncate, lower max_words, or raise the engine's max_tokens where the model allows it.",
        )

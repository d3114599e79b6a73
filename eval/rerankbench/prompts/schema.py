"""What may stand in a prompt's file. Placeholders are checked where the file is loaded."""

from __future__ import annotations

from typing import Literal

from rerankbench.config import Options


class Turn(Options):
    role: Literal["system", "user", "assistant"]
    content: str


class ForEachDocument(Options):
    """Turns that are said once a document, e.g. the exchange of a multi-turn prompt."""

    for_each_document: tuple[Turn, ...]


class PromptFile(Options):
    """One prompt.

    Attributes:
        source: ``repository@commit: file`` that the texts were read in.
        notes: What differs from the source, and why.
        text: A raw prompt; `messages` is a chat. One of the two.
        document: One document's line in ``{documents}``; `separator` stands between two of them.
        default: Values of the prompt's own placeholders; `benchmarks` has those of single benchmarks, complete.
    """

    name: str
    kind: Literal["listwise", "query"]
    source: str
    notes: str = ""
    text: str | None = None
    messages: tuple[Turn | ForEachDocument, ...] = ()
    document: str | None = None
    separator: str = "\n"
    default: dict[str, str] = {}
    benchmarks: dict[str, dict[str, str]] = {}

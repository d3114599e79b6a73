"""What may stand in a prompt's file. Placeholders are checked where the file is loaded."""

from __future__ import annotations

from typing import Literal

from rerankbench.config import Options

Kind = Literal["query", "pointwise", "pairwise", "setwise", "listwise"]
"""What a prompt shows besides the query: no document, exactly one, exactly two, several to choose one from, several to put in order."""

Identifiers = Literal["digits", "letters"]


class Turn(Options):
    role: Literal["system", "user", "assistant"]
    content: str


class ForEachDocument(Options):
    """Turns that are said once a document, e.g. the exchange of a multi-turn prompt."""

    for_each_document: tuple[Turn, ...]


class PromptFile(Options):
    """One prompt.

    Attributes:
        source: ``repository@commit: file`` that the texts were read in; ``[R]`` marks what is recalled and not verified.
        notes: What differs from the source, and why.
        text: A raw prompt; `messages` is a chat. One of the two. In a pointwise prompt both may hold ``{text}``, the document.
        thinking: Whether a model that can reason before it answers is let to (chats only).
        answer: How the assistant's answer begins, e.g. the ``[`` before the first identifier (chats only).
        document: One document's line in ``{documents}``; `separator` stands between two of them.
        identifiers: What ``{number}`` is: 1, 2, … or A, B, …
        given: Placeholders that whoever renders the prompt fills: an earlier answer of a chain, or a text's ``number`` where each
            document is a pointwise prompt of its own.
        gives: The placeholder of later prompts of a chain that this prompt's answer fills; empty for a prompt that stands alone.
        default: Values of the prompt's own placeholders; `benchmarks` has those of single benchmarks, complete.
    """

    name: str
    kind: Kind
    source: str
    notes: str = ""
    text: str | None = None
    messages: tuple[Turn | ForEachDocument, ...] = ()
    thinking: bool = False
    answer: str = ""
    document: str | None = None
    separator: str = "\n"
    identifiers: Identifiers = "digits"
    given: tuple[str, ...] = ()
    gives: str = ""
    default: dict[str, str] = {}
    benchmarks: dict[str, dict[str, str]] = {}

"""Prompts as data: YAML, one file a prompt, with its source. Renders text; knows no ranker, no engine and no chat template."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from rerankbench import records
from rerankbench.config import YamlFile, fingerprint, read_yaml, validate
from rerankbench.errors import ConfigError, nearest
from rerankbench.prompts.check import check
from rerankbench.prompts.schema import ForEachDocument, Kind, PromptFile
from rerankbench.prompts.template import Template
from rerankbench.records import Chat, Message

__all__ = ["Kind", "Prompt", "load", "names"]

_HERE = Path(__file__).parent
_DOCUMENTS: Mapping[Kind, int] = {"query": 0, "pointwise": 1, "pairwise": 2}
"""How many documents a prompt shows, where its kind says."""


def names() -> list[str]:
    """The prompts that come with rerankbench."""
    return sorted(path.stem for path in _HERE.glob("*.yaml"))


def load(name: str) -> Prompt:
    """Read and check a prompt, with the values that serve every benchmark.

    Args:
        name: One of `names()`, or a path to a YAML file of your own (it ends in ``.yaml`` or ``.yml``), from the working folder.

    Raises:
        ConfigError: there is no such prompt, or its file is wrong: key or placeholder, place, and the nearest valid names.
    """
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        if name not in names():
            raise ConfigError(
                f"There is no prompt {name!r}. {nearest(name, names())}", hint="A prompt of your own is named by its YAML file."
            )
        path = _HERE / f"{name}.yaml"
    return _checked(read_yaml(path))


@lru_cache(maxsize=128)
def _checked(file: YamlFile) -> Prompt:
    """A plan asks for the prompts of every cell: each is checked once."""
    prompt = Prompt(validate(PromptFile, file.data, file.place))
    check(prompt.file, file)
    return prompt


@dataclass(frozen=True)
class Prompt:
    """A prompt as its file has it, worded for one benchmark or for all.

    Attributes:
        benchmark: What `for_benchmark` was asked for; empty before.
    """

    file: PromptFile
    benchmark: str = ""

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def kind(self) -> Kind:
        return self.file.kind

    @property
    def generic(self) -> bool:
        """Whether the file words some benchmarks apart, but not this one, which takes the default wording."""
        return bool(self.file.benchmarks) and self.benchmark not in self.file.benchmarks

    @property
    def values(self) -> Mapping[str, str]:
        """The wording in use: the file's own placeholders and their texts."""
        return self.file.benchmarks.get(self.benchmark, self.file.default)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over all that decides the rendering, as 64 hexadecimal digits; name, source and notes do not."""
        layout = self.file.model_dump(mode="json", exclude={"name", "source", "notes", "default", "benchmarks"})
        return fingerprint({**layout, "values": dict(self.values)})

    def for_benchmark(self, benchmark: str) -> Prompt:
        """The prompt in the wording of `benchmark`, or in the default one (see `generic`)."""
        return replace(self, benchmark=benchmark)

    def identifiers(self, count: int) -> tuple[str, ...]:
        """What ``{number}`` is for each of `count` documents: 1, 2, … or A, B, …

        Raises:
            ConfigError: the alphabet is too short.
        """
        if self.file.identifiers == "digits":
            return tuple(map(str, range(1, count + 1)))
        if count > len(string.ascii_uppercase):
            raise ConfigError(f"Prompt {self.name!r} names documents by letters, and cannot show {count} of them.")
        return tuple(string.ascii_uppercase[:count])

    def render(
        self, query: str, documents: Sequence[str] = (), *, end_token: str = "", values: Mapping[str, str] | None = None
    ) -> records.Prompt:
        """Show `query` and `documents`, with their identifiers, in the order given.

        Args:
            documents: As they are to be shown: nothing is cut here.
            end_token: The model's, for prompts that write it out.
            values: Of every placeholder that the file calls `given`; they may also replace wordings of its own.

        Returns:
            A chat, or the raw text of a prompt that is no chat.

        Raises:
            ConfigError: the prompt's kind shows another number of documents, or `values` lacks or has one that it should not.
        """
        self._check(len(documents), values or {})
        own = {**self.values, "query": query, "count": str(len(documents)), "end_token": end_token, **(values or {})}
        each = [{**own, "number": i, "text": text} for i, text in zip(self.identifiers(len(documents)), documents, strict=True)]
        if self.kind == "pointwise":
            own["text"] = documents[0]
        layout = self._layout
        if layout.document is not None:
            own["documents"] = self.file.separator.join([layout.document.fill(v) for v in each])
        if layout.text is not None:
            return layout.text.fill(own)
        rounds = [(turns, each if per_document else [own]) for turns, per_document in layout.sections]
        messages = tuple(Message(role, template.fill(v)) for turns, times in rounds for v in times for role, template in turns)
        return Chat(messages, self.file.thinking, self.file.answer)

    def _check(self, count: int, values: Mapping[str, str]) -> None:
        expected = _DOCUMENTS.get(self.kind, count)
        if count != expected:
            raise ConfigError(f"Prompt {self.name!r} is of kind {self.kind!r} and shows {expected} documents, got {count}.")
        given = self.file.given
        for name in [n for n in given if n not in values]:
            raise ConfigError(f"Prompt {self.name!r} shows {{{name}}}, which nothing before it gives. {nearest(name, values)}")
        for name in [n for n in values if n not in given and n not in self.values]:
            raise ConfigError(f"Prompt {self.name!r} has no place for {name!r}. {nearest(name, [*given, *self.values])}")

    @cached_property
    def _layout(self) -> _Layout:
        document, text = self.file.document, self.file.text
        sections = [(m.for_each_document, True) if isinstance(m, ForEachDocument) else ((m,), False) for m in self.file.messages]
        return _Layout(
            document=None if document is None else Template.parse(document),
            text=None if text is None else Template.parse(text),
            sections=tuple((tuple((t.role, Template.parse(t.content)) for t in turns), each) for turns, each in sections),
        )


@dataclass(frozen=True)
class _Layout:
    """The file's texts, parsed; `sections` are turns and whether they are said once a document."""

    document: Template | None
    text: Template | None
    sections: tuple[tuple[tuple[tuple[Literal["system", "user", "assistant"], Template], ...], bool], ...]

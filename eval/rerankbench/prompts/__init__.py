"""Prompts as data: YAML, one file a prompt, with its source. Renders text; knows no ranker, no engine and no chat template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from rerankbench import records
from rerankbench.config import YamlFile, fingerprint, read_yaml, validate
from rerankbench.errors import ConfigError, nearest
from rerankbench.prompts.schema import ForEachDocument, PromptFile, Turn
from rerankbench.prompts.template import Template
from rerankbench.records import Message

__all__ = ["Prompt", "load", "names"]

_HERE = Path(__file__).parent
_EVERYWHERE = frozenset({"query", "count", "end_token"})
_PER_DOCUMENT = _EVERYWHERE | {"number", "text"}


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
    file = read_yaml(path)
    prompt = Prompt(validate(PromptFile, file.data, file.place))
    _check(prompt, file)
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
    def kind(self) -> Literal["listwise", "query"]:
        """``listwise`` shows query and documents, ``query`` the query alone."""
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

    def render(self, query: str, documents: Sequence[str] = (), *, end_token: str = "") -> records.Prompt:
        """Show `query` and `documents`, numbered from 1, in the order given.

        Args:
            documents: As they are to be shown: nothing is cut here.
            end_token: The model's, for prompts that write it out.

        Returns:
            A chat, or the raw text of a prompt that is no chat.
        """
        values = {**self.values, "query": query, "count": str(len(documents)), "end_token": end_token}
        each = [{**values, "number": str(i), "text": text} for i, text in enumerate(documents, start=1)]
        layout = self._layout
        if layout.document is not None:
            values["documents"] = self.file.separator.join([layout.document.fill(v) for v in each])
        if layout.text is not None:
            return layout.text.fill(values)
        rounds = [(turns, each if per_document else [values]) for turns, per_document in layout.sections]
        return tuple(Message(role, template.fill(v)) for turns, times in rounds for v in times for role, template in turns)

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


def _check(prompt: Prompt, file: YamlFile) -> None:
    """Refuse placeholders that nothing fills, values that fill none, and a prompt that would not show what it is for."""
    written = prompt.file
    if (written.text is None) == (not written.messages):
        raise ConfigError(f"{file.path}: expected either 'text' or 'messages'")
    used = _placeholders(written, file)
    shown = used.once | used.per_document
    if "query" not in shown:
        raise ConfigError(f"{file.path}: the placeholder {{query}} is missing: the query would not be shown")
    if ("documents" in used.once) != (written.document is not None):
        raise ConfigError(f"{file.path}: the placeholder {{documents}} and the key 'document' (one document's line) need each other")
    if (written.kind == "listwise") != (used.per_document != frozenset()):
        expected = "show documents, by {documents} or 'for_each_document'" if written.kind == "listwise" else "show no documents"
        raise ConfigError(f"{file.path}: a prompt of kind {written.kind!r} must {expected}")
    if used.per_document and "text" not in used.per_document:
        raise ConfigError(f"{file.path}: the placeholder {{text}} is missing: the documents' texts would not be shown")
    own = shown - _PER_DOCUMENT - {"documents"}
    for key, values in [(("default",), written.default), *((("benchmarks", b), v) for b, v in written.benchmarks.items())]:
        _check_values(own, values, file.place(key))


def _check_values(own: frozenset[str], values: Mapping[str, str], place: str) -> None:
    for name in sorted(own - set(values)):
        raise ConfigError(f"{place}: the placeholder {{{name}}} has no value here. {nearest(name, values)}")
    for name in sorted(set(values) - own):
        raise ConfigError(f"{place}: the value {name!r} fills no placeholder. {nearest(name, own)}")


@dataclass(frozen=True)
class _Used:
    """Placeholders of the texts that are said once, and of those said once a document."""

    once: frozenset[str]
    per_document: frozenset[str]


def _placeholders(written: PromptFile, file: YamlFile) -> _Used:
    own = set(written.default).union(*written.benchmarks.values())
    once: set[str] = set()
    per_document: set[str] = set()
    if written.text is not None:
        once |= _found(written.text, own | _EVERYWHERE | {"documents"}, file.place(("text",)))
    if written.document is not None:
        per_document |= _found(written.document, own | _PER_DOCUMENT, file.place(("document",)))
    for i, message in enumerate(written.messages):
        if isinstance(message, Turn):
            once |= _found(message.content, own | _EVERYWHERE | {"documents"}, file.place(("messages", i, "content")))
        else:
            for j, turn in enumerate(message.for_each_document):
                place = file.place(("messages", i, "for_each_document", j, "content"))
                per_document |= _found(turn.content, own | _PER_DOCUMENT, place)
    return _Used(frozenset(once), frozenset(per_document))


def _found(text: str, valid: set[str] | frozenset[str], place: str) -> frozenset[str]:
    """The placeholders of one text."""
    try:
        found = Template.parse(text).placeholders
    except ValueError as error:
        raise ConfigError(f"{place}: {error}", hint="A brace that is meant as text is written twice: {{ or }}.") from error
    for name in sorted(found - valid):
        raise ConfigError(f"{place}: nothing fills the placeholder {{{name}}}. {nearest(name, valid)}")
    return found

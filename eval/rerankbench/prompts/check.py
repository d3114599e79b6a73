"""What a prompt's file must hold to be rendered: every placeholder has a value, every value a place, and the query is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rerankbench.config import YamlFile
from rerankbench.errors import ConfigError, nearest
from rerankbench.prompts.schema import PromptFile, Turn
from rerankbench.prompts.template import Template

_EVERYWHERE = frozenset({"query", "count", "end_token"})
_PER_DOCUMENT = _EVERYWHERE | {"number", "text"}
_BUILT_IN = _PER_DOCUMENT | {"documents"}


def check(written: PromptFile, file: YamlFile) -> None:
    """
    Raises:
        ConfigError: placeholders that nothing fills, values that fill none, or a prompt that would not show what it is for.
    """
    if (written.text is None) == (not written.messages):
        raise ConfigError(f"{file.path}: expected either 'text' or 'messages'")
    if written.text is not None and (written.thinking or written.answer):
        raise ConfigError(f"{file.path}: 'thinking' and 'answer' belong to 'messages': a raw text holds all that the model reads")
    _check_given(written, file)
    used = _placeholders(written, file)
    shown = used.once | used.per_document
    if "query" not in shown:
        raise ConfigError(f"{file.path}: the placeholder {{query}} is missing: the query would not be shown")
    if ("documents" in used.once) != (written.document is not None):
        raise ConfigError(f"{file.path}: the placeholder {{documents}} and the key 'document' (one document's line) need each other")
    _check_shows_documents(written, used, file)
    for name in sorted(set(written.given) - shown):
        raise ConfigError(f"{file.place(('given',))}: {name!r} fills no placeholder. {nearest(name, shown)}")
    own = shown - _BUILT_IN - set(written.given)
    for key, values in [(("default",), written.default), *((("benchmarks", b), v) for b, v in written.benchmarks.items())]:
        _check_values(own, values, file.place(key))


def _check_given(written: PromptFile, file: YamlFile) -> None:
    # A pointwise prompt has no numbers of its own, so that the one who asks may give one.
    reserved = _BUILT_IN - {"number"} if written.kind == "pointwise" else _BUILT_IN
    for name in written.given:
        if name in reserved or name in written.default:
            raise ConfigError(f"{file.place(('given',))}: {name!r} is filled already, and cannot be given as well")


def _check_shows_documents(written: PromptFile, used: _Used, file: YamlFile) -> None:
    shows, expected = {
        "query": (not used.per_document, "show no documents"),
        "pointwise": (not used.per_document and "text" in used.once, "show its one document, by {text}"),
    }.get(written.kind, (used.per_document != frozenset(), "show documents, by {documents} or 'for_each_document'"))
    if not shows:
        raise ConfigError(f"{file.path}: a prompt of kind {written.kind!r} must {expected}")
    if used.per_document and "text" not in used.per_document:
        raise ConfigError(f"{file.path}: the placeholder {{text}} is missing: the documents' texts would not be shown")


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
    own = set(written.default).union(*written.benchmarks.values(), written.given)
    valid_once = own | _EVERYWHERE | {"text" if written.kind == "pointwise" else "documents"}
    valid_per_document = own | _PER_DOCUMENT
    once: set[str] = set()
    per_document: set[str] = set()
    if written.text is not None:
        once |= _found(written.text, valid_once, file.place(("text",)))
    if written.document is not None:
        per_document |= _found(written.document, valid_per_document, file.place(("document",)))
    for i, message in enumerate(written.messages):
        if isinstance(message, Turn):
            once |= _found(message.content, valid_once, file.place(("messages", i, "content")))
        else:
            for j, turn in enumerate(message.for_each_document):
                place = file.place(("messages", i, "for_each_document", j, "content"))
                per_document |= _found(turn.content, valid_per_document, place)
    return _Used(frozenset(once), frozenset(per_document))


def _found(text: str, valid: set[str], place: str) -> frozenset[str]:
    """The placeholders of one text."""
    try:
        found = Template.parse(text).placeholders
    except ValueError as error:
        raise ConfigError(f"{place}: {error}", hint="A brace that is meant as text is written twice: {{ or }}.") from error
    for name in sorted(found - valid):
        raise ConfigError(f"{place}: nothing fills the placeholder {{{name}}}. {nearest(name, valid)}")
    return found

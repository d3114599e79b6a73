"""From a query and its documents to one prompt that the engine can take: cut, rendered, counted, made to fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from rerankbench.errors import ConfigError, OverLengthError
from rerankbench.protocols import ChatTemplate, Tokens
from rerankbench.rankers.fit import shorten
from rerankbench.rankers.texts import Overflow
from rerankbench.records import Defect, DefectKind, Prompt, Query

ChatTemplateUse = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class Input:
    """One query's prompt.

    Attributes:
        documents: The texts in it, as cut so far.
        values: Of the prompt's placeholders besides query and documents.
        tokens: Its length; 0 where the engine does not count.
        defects: What had to be done to make it fit.
    """

    query: Query
    documents: tuple[str, ...]
    prompt: Prompt
    values: Mapping[str, str] = field(default_factory=dict)
    tokens: int = 0
    defects: tuple[Defect, ...] = ()


def text_renderer(engine: object, use: ChatTemplateUse) -> Callable[[Prompt], str]:
    """How a prompt becomes one text: by the engine's chat template, or as the plain text of its messages.

    Raises:
        ConfigError: ``always``, but the engine has no chat template.
    """
    if isinstance(engine, ChatTemplate) and engine.has_chat_template and use != "never":
        render = engine.render_chat
        return lambda prompt: prompt if isinstance(prompt, str) else render(prompt)
    if use == "always":
        raise ConfigError(f"chat_template: always, but the engine {type(engine).__name__} has no chat template", hint="Say auto or never.")
    return lambda prompt: prompt if isinstance(prompt, str) else "\n".join(m.content for m in prompt.messages) + prompt.answer


@dataclass(frozen=True)
class Fitter:
    """Makes prompts fit an engine that counts tokens.

    Attributes:
        render: Query text, documents and other values to a prompt.
        to_text: A prompt as the one text that the engine reads.
        limit: Tokens that a prompt may have.
        overflow: ``shorten`` cuts the documents evenly and keeps the query; ``truncate`` cuts the text from the right, as engines do
            when they are told to, and may lose the query; ``error`` stops.
    """

    render: Callable[[str, Sequence[str], Mapping[str, str]], Prompt]
    to_text: Callable[[Prompt], str]
    tokens: Tokens
    limit: int
    overflow: Overflow

    def fit(self, inputs: Sequence[Input]) -> list[Input]:
        """Count every prompt, in one call, and cut those that are too long.

        Raises:
            OverLengthError: a prompt is too long and the protocol says to stop, or its instruction alone is too long.
        """
        texts = [self.to_text(i.prompt) for i in inputs]
        counts = self.tokens.count_tokens(texts)
        whole = [replace(i, tokens=n) for i, n in zip(inputs, counts, strict=True)]
        return [i if i.tokens <= self.limit else self._cut(i, text) for i, text in zip(whole, texts, strict=True)]

    def _cut(self, long: Input, text: str) -> Input:
        if self.overflow == "shorten":
            return self._shorten(long)
        if self.overflow == "truncate":
            return self._truncate(long, text)
        raise self._too_long(long, "Set overflow to shorten or truncate, show fewer documents, or lower max_words.")

    def _shorten(self, long: Input) -> Input:
        cut = shorten(long.query.text, long.documents, lambda query, documents: self._count(query, documents, long.values) <= self.limit)
        if cut is None:
            raise self._too_long(long, "Even without a word of query and documents it is: the instruction alone is too long.")
        made = f"prompt of {long.tokens} tokens made to fit {self.limit}"
        defects = []
        if cut.documents_cut:
            detail = f"{made}: its documents cut to their first {cut.words} words"
            defects.append(Defect(DefectKind.SHORTENED, detail, cut.documents_cut))
        if cut.query_words is not None:
            words = len(long.query.text.split())
            defects.append(Defect(DefectKind.OVER_LENGTH, f"{made}: the query cut to its first {cut.query_words} of {words} words"))
        prompt = self.render(cut.query, cut.documents, long.values)
        tokens = self._count(cut.query, cut.documents, long.values)
        return replace(long, documents=cut.documents, prompt=prompt, tokens=tokens, defects=tuple(defects))

    def _truncate(self, long: Input, text: str) -> Input:
        cut = self.tokens.truncate(text, self.limit)
        # The query stands at the end of the prompts that we know; a cut before it leaves the model without what was asked.
        at = text.rfind(long.query.text)
        lost = at < 0 or at + len(long.query.text) > len(cut)
        seen = "the query at its end with them" if lost else "the query is whole"
        detail = f"{long.tokens - self.limit} of {long.tokens} tokens cut from the right, {seen}"
        return replace(long, prompt=cut, tokens=self.tokens.count_tokens([cut])[0], defects=(Defect(DefectKind.TRUNCATED, detail),))

    def _count(self, query: str, documents: Sequence[str], values: Mapping[str, str]) -> int:
        return self.tokens.count_tokens([self.to_text(self.render(query, documents, values))])[0]

    def _too_long(self, long: Input, hint: str) -> OverLengthError:
        return OverLengthError(f"Query {long.query.id!r}: its prompt has {long.tokens} tokens, the limit is {self.limit}.", hint=hint)

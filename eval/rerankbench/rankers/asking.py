"""From questions about documents to an engine's answers: rendered, made to fit, asked in one call, timed, and what was cut noted.

What every ranker with a prompt has in common. Knows no algorithm.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import numpy as np

from rerankbench import prompts
from rerankbench.cutting import cut_before_end
from rerankbench.errors import ConfigError, EngineError, OverLengthError
from rerankbench.protocols import (
    AnswerForcer,
    Doubles,
    FusionGenerator,
    Parts,
    PatternGenerator,
    ScoreKind,
    TextGenerator,
    Tokens,
    TokenScorer,
)
from rerankbench.rankers.inputs import Fitter, Input, text_renderer
from rerankbench.rankers.texts import TextLimits, value_for
from rerankbench.records import Call, Defect, DefectKind, Prompt, Query


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt to be asked.

    Attributes:
        query: Its text as it is to be read; its id names it in spans and errors.
        phase: Which step of the ranker.
        values: Of the prompt's placeholders besides query and documents.
    """

    query: Query
    documents: tuple[str, ...]
    phase: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """What an engine said to one question.

    Attributes:
        prompt: As it was sent.
        call: With the question's phase.
        scores: Shape (labels,), where labels were scored; empty where text was generated.
        defects: What was done to make the prompt fit.
    """

    prompt: Prompt
    call: Call
    scores: Doubles
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True, slots=True)
class Continuation:
    """A prompt that goes on: behind it an answer, or part of one, and what is written behind that.

    Attributes:
        question: Whose phase and query the call gets.
        prompt: As it was sent, see `Answered`.
        answer: Cut from the right where the whole does not fit; `end` stays.
    """

    question: Question
    prompt: Prompt
    answer: str
    end: str


class Asker:
    """Asks questions of one kind.

    Args:
        ranker: Its name, for errors.
        parts: The engine with the capabilities that the methods called need; the clock times ``build prompt``, ``check lengths`` (ours: no
            reranker needs it) and ``generate`` or ``score``.
        room: Tokens that an answer may take, which a prompt leaves free.
        behind: Tokens that it leaves free besides, for what `score_behind` writes behind an answer.

    Raises:
        ConfigError: the limits leave no room for a prompt.
    """

    def __init__(self, ranker: str, prompt: prompts.Prompt, limits: TextLimits, parts: Parts, *, room: int, behind: int = 0) -> None:
        self._ranker = ranker
        self._engine: object = parts.engine
        self.prompt = prompt
        self._limits = limits
        self._clock = parts.clock
        self._room = room
        self._behind = behind
        self._limit = self._token_limit(value_for(limits.max_prompt_tokens, parts.benchmark))

    def generate(self, questions: Sequence[Question], *, stop: Sequence[str] = (), patterns: Sequence[str] | None = None) -> list[Answered]:
        """
        Args:
            patterns: A regular expression a question that its answer is held to; None leaves answers free.

        Raises:
            OverLengthError: a prompt is too long, and either `overflow` is ``error`` or no cut makes it fit.
            EngineError: the engine lost an answer.
        """
        inputs = self._inputs(questions)
        sent = [i.prompt for i in inputs]
        with self._span("generate", questions):
            calls = self._calls(sent, stop, patterns)
        return self._answered(questions, inputs, calls)

    def force(self, questions: Sequence[Question], answers: Sequence[str]) -> list[Answered]:
        """Have these answers written, one a question, for the time that it takes. Raises: as `generate`."""
        inputs = self._inputs(questions)
        sent = [i.prompt for i in inputs]
        if not isinstance(self._engine, AnswerForcer):
            raise lacking(self._ranker, self._engine, AnswerForcer)
        with self._span("generate", questions):
            calls = self._engine.generate_forced(sent, answers, max_tokens=self._room)
        return self._answered(questions, inputs, calls)

    def fuse(self, questions: Sequence[Question], *, max_tokens: int) -> list[Answered]:
        """Have one answer over all documents of each question, each document in a text of its own, numbered from 1.

        Returns:
            As `generate`; `prompt` has the texts one below the other.

        Raises:
            OverLengthError, EngineError: as `generate`.
        """
        apart = [replace(q, documents=(d,), values={"number": str(i)}) for q in questions for i, d in enumerate(q.documents, start=1)]
        inputs = iter(self._inputs(apart))
        groups = [[next(inputs) for _ in q.documents] for q in questions]
        with self._span("generate", questions):
            calls = self._fused([[str(i.prompt) for i in group] for group in groups], max_tokens)
        whole = [_joined(q, group) for q, group in zip(questions, groups, strict=True)]
        return self._answered(questions, whole, calls)

    def score(self, questions: Sequence[Question], labels: Sequence[str], kind: ScoreKind = "logprob") -> list[Answered]:
        """Score each label as the next token, one engine call for all questions. Raises: as `generate`."""
        return self._scored(questions, self._inputs(questions), labels, kind)

    def score_behind(self, continuations: Sequence[Continuation], labels: Sequence[str], kind: ScoreKind = "logprob") -> list[Answered]:
        """Score each label as the next token behind each continuation, one engine call for all.

        Raises:
            OverLengthError: the prompt and the end alone are too long.
        """
        questions = [c.question for c in continuations]
        inputs = [Input(c.question.query, c.question.documents, continued(c.prompt, c.answer + c.end)) for c in continuations]
        if isinstance(self._engine, Tokens):
            with self._span("check lengths", questions):
                inputs = self._cut_answers(continuations, inputs, self._engine)
        return self._scored(questions, inputs, labels, kind)

    def _scored(self, questions: Sequence[Question], inputs: Sequence[Input], labels: Sequence[str], kind: ScoreKind) -> list[Answered]:
        sent = [i.prompt for i in inputs]
        with self._span("score", questions):
            start = time.perf_counter()
            scores = self._scores(sent, labels, kind)
            call = Call(0, 1, time.perf_counter() - start, len(inputs))
        if scores.shape != (len(inputs), len(labels)):
            raise EngineError(
                f"Engine {type(self._engine).__name__} was asked to score {len(labels)} labels of {len(inputs)} prompts and gave an "
                f"array of shape {scores.shape}."
            )
        return [Answered(i.prompt, _named(call, i, q), row, i.defects) for q, i, row in zip(questions, inputs, scores, strict=True)]

    def _cut_answers(self, continuations: Sequence[Continuation], inputs: Sequence[Input], tokens: Tokens) -> list[Input]:
        to_text = text_renderer(tokens, "auto")
        counts = tokens.count_tokens([to_text(i.prompt) for i in inputs])
        limit = tokens.max_tokens - 1  # the label comes behind
        whole = [replace(i, tokens=n) for i, n in zip(inputs, counts, strict=True)]
        return [i if i.tokens <= limit else self._cut_answer(c, i, tokens, limit) for c, i in zip(continuations, whole, strict=True)]

    def _cut_answer(self, long: Continuation, whole: Input, tokens: Tokens, limit: int) -> Input:
        prompt = text_renderer(tokens, "auto")(long.prompt)
        cut = cut_before_end(prompt + long.answer, long.end, limit, tokens.truncate, lambda text: tokens.count_tokens([text])[0])
        if cut is None or not cut.startswith(prompt):
            raise OverLengthError(
                f"Query {whole.query.id!r}: its prompt, continued, has {whole.tokens} tokens; the engine takes {limit}, and no shorter "
                "answer makes it fit.",
                hint="Lower max_prompt_tokens, or raise the engine's max_tokens where the model allows it.",
            )
        defect = Defect(DefectKind.TRUNCATED, f"answers cut from the right to leave the engine's {tokens.max_tokens} tokens room to go on")
        return replace(whole, prompt=cut, tokens=tokens.count_tokens([cut])[0], defects=(defect,))

    def _answered(self, questions: Sequence[Question], inputs: Sequence[Input], calls: Sequence[Call]) -> list[Answered]:
        if len(calls) != len(inputs):
            raise EngineError(f"Engine {type(self._engine).__name__} was asked for {len(inputs)} answers and gave {len(calls)}.")
        none = np.empty(0)
        return [Answered(i.prompt, _named(c, i, q), none, i.defects) for q, i, c in zip(questions, inputs, calls, strict=True)]

    def _fused(self, groups: Sequence[Sequence[str]], max_tokens: int) -> list[Call]:
        if not isinstance(self._engine, FusionGenerator):
            raise lacking(self._ranker, self._engine, FusionGenerator)
        return self._engine.generate_fused(groups, max_tokens=max_tokens)

    def _calls(self, sent: Sequence[Prompt], stop: Sequence[str], patterns: Sequence[str] | None) -> list[Call]:
        if patterns is not None:
            if not isinstance(self._engine, PatternGenerator):
                raise lacking(self._ranker, self._engine, PatternGenerator)
            return self._engine.generate_pattern(sent, max_tokens=self._room, patterns=patterns)
        if not isinstance(self._engine, TextGenerator):
            raise lacking(self._ranker, self._engine, TextGenerator)
        return self._engine.generate(sent, max_tokens=self._room, stop=stop)

    def _scores(self, sent: Sequence[Prompt], labels: Sequence[str], kind: ScoreKind) -> Doubles:
        if not isinstance(self._engine, TokenScorer):
            raise lacking(self._ranker, self._engine, TokenScorer)
        return self._engine.label_scores(sent, labels, kind=kind)

    def _inputs(self, questions: Sequence[Question]) -> list[Input]:
        with self._span("build prompt", questions):
            inputs = [Input(q.query, q.documents, self._render(q.query.text, q.documents, q.values), q.values) for q in questions]
        if self._limit is None or not isinstance(self._engine, Tokens):
            return inputs
        with self._span("check lengths", questions):
            return self._fitter(self._engine, self._limit).fit(inputs)

    def _render(self, query: str, documents: Sequence[str], values: Mapping[str, str]) -> Prompt:
        return self.prompt.render(query, documents, values=values)

    def _fitter(self, tokens: Tokens, limit: int) -> Fitter:
        return Fitter(self._render, text_renderer(tokens, "auto"), tokens, limit, self._limits.overflow)

    def _token_limit(self, wanted: int | None) -> int | None:
        if not isinstance(self._engine, Tokens):
            return None
        left = self._engine.max_tokens - self._room - self._behind
        if left < 1:
            raise ConfigError(
                f"max_new_tokens {self._room}: the engine takes {self._engine.max_tokens} tokens in all, which leaves none for a prompt."
            )
        return left if wanted is None else min(wanted, left)

    def _span(self, name: str, questions: Sequence[Question]) -> AbstractContextManager[None]:
        return self._clock.span(name, query_ids=list(dict.fromkeys(q.query.id for q in questions)))


def continued(prompt: Prompt, text: str) -> Prompt:
    """The prompt with `text` behind it, where its answer goes on."""
    return prompt + text if isinstance(prompt, str) else replace(prompt, answer=prompt.answer + text)


def _joined(question: Question, texts: Sequence[Input]) -> Input:
    """The texts of one fused question as if they were one prompt; defects of one kind and detail are added up."""
    counts: dict[tuple[DefectKind, str], int] = {}
    for defect in (d for text in texts for d in text.defects):
        counts[defect.kind, defect.detail] = counts.get((defect.kind, defect.detail), 0) + defect.count
    defects = tuple(Defect(kind, detail, count) for (kind, detail), count in counts.items())
    prompt = "\n".join(str(text.prompt) for text in texts)
    return Input(question.query, question.documents, prompt, tokens=sum(text.tokens for text in texts), defects=defects)


def _named(call: Call, sent: Input, question: Question) -> Call:
    return replace(call, phase=question.phase, prompt_tokens=call.prompt_tokens or sent.tokens)


def lacking(ranker: str, engine: object, capability: type) -> ConfigError:
    """The error of a ranker whose engine has not what it needs."""
    return ConfigError(f"The ranker {ranker!r} needs an engine that is a {capability.__name__}, got {type(engine).__name__}.")

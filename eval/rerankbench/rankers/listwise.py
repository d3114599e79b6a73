"""Listwise generation over sliding windows (RankGPT, RankQwen3): a language model writes the order of each window.

Lists advance in lock step: one engine call holds the same step of every query of the batch, and what one list gets does not depend on
the others. Answers are repaired by the rule of `permutation`, and every repair is counted.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from rerankbench import prompts
from rerankbench.config import Options
from rerankbench.errors import ConfigError, EngineError
from rerankbench.protocols import Parts, TextGenerator, Timer, Tokens, Workload
from rerankbench.rankers.inputs import Fitter, Input, Overflow, cut_documents, text_renderer, words_read
from rerankbench.rankers.permutation import parse_permutation
from rerankbench.rankers.windows import check, windows
from rerankbench.records import Call, CandidateList, Defect, Ranked, Ranking


class ListwiseOptions(Options):
    """The defaults are the paper's RankQwen3.

    Attributes:
        prompt: A prompt of kind ``listwise``, by name or YAML file.
        window, step: Documents a call, and how far the next window is moved towards the front.
        passes: How often the windows run over the whole list.
        initial_order: The order in which the first pass meets the list.
        seed: Of the random initial order; each query draws its own, whatever else is in the batch.
        max_words: A document's words that are shown.
        max_new_tokens: Of an answer. 20 identifiers take about 90 tokens of Qwen3.
        overflow: What happens to a prompt that leaves no room for the answer, where the engine counts tokens (see `Fitter`).
    """

    prompt: str = "rankqwen3"
    window: int = 20
    step: int = 10
    passes: int = Field(default=1, ge=1)
    initial_order: Literal["initial", "reverse", "random"] = "initial"
    seed: int = 0
    max_words: int = Field(default=300, ge=1)
    max_new_tokens: int = Field(default=128, ge=1)
    overflow: Overflow = "shorten"

    @model_validator(mode="after")
    def _windows_visit_every_document(self) -> Self:
        try:
            check(self.window, self.step)
        except ConfigError as error:
            raise ValueError(error.message) from error
        return self


class ListwiseRanker:
    """Ranks by a language model's answers; gives an order without scores.

    Args:
        clock: Times ``build prompt`` and ``generate`` of every step, and ``check lengths`` apart from them where the engine counts
            tokens: a measurement of ours that no reranker needs.

    Raises:
        ConfigError: the prompt shows no documents, or the engine's length leaves no room besides the answer.
    """

    Options = ListwiseOptions
    name: ClassVar[str] = "listwise"
    needs: ClassVar[tuple[type, ...]] = (TextGenerator,)
    reads_text: ClassVar[bool] = True

    def __init__(self, generator: TextGenerator, options: ListwiseOptions, prompt: prompts.Prompt, clock: Timer) -> None:
        if prompt.kind != "listwise":
            raise ConfigError(
                f"The ranker {self.name!r} needs a prompt of kind 'listwise', but {prompt.name!r} is of kind {prompt.kind!r}."
            )
        self.prompt = prompt
        self._options = options
        self._generator = generator
        self._clock = clock
        self._fitter = self._make_fitter(generator) if isinstance(generator, Tokens) else None

    @classmethod
    def prompt_for(cls, options: ListwiseOptions, benchmark: str) -> prompts.Prompt:
        """The prompt that these options mean, in the wording of `benchmark`."""
        return prompts.load(options.prompt).for_benchmark(benchmark)

    @classmethod
    def build(cls, options: object, parts: Parts) -> Self:
        checked = cls.Options.model_validate(options)
        if not isinstance(parts.engine, TextGenerator):
            raise ConfigError(f"The ranker {cls.name!r} needs an engine that generates text, got {type(parts.engine).__name__}.")
        return cls(parts.engine, checked, cls.prompt_for(checked, parts.benchmark), parts.clock)

    @classmethod
    def provenance(cls, options: object, benchmark: str) -> Mapping[str, str]:
        prompt = cls.prompt_for(cls.Options.model_validate(options), benchmark)
        return {prompt.name: prompt.hash}

    @classmethod
    def workload(cls, options: object, lists: Sequence[CandidateList]) -> Workload:
        """As if every window showed the documents that stand there at first."""
        checked = cls.Options.model_validate(options)
        calls = words = 0
        for candidates in lists:
            counts = words_read(candidates, checked.max_words)
            schedule = windows(len(candidates), checked.window, checked.step) * checked.passes
            calls += len(schedule)
            words += sum(sum(counts[start:end]) + 2 * len(candidates.query.text.split()) for start, end in schedule)
        return Workload(prompts=calls, words=words, new_tokens=calls * checked.max_new_tokens)

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        """Rank every list, one engine call a step.

        Calls of each result: one a window, raw answer included, with the window's ranks as its phase.

        Raises:
            DataError: a document's text is not at hand.
            OverLengthError: a prompt is too long, and either `overflow` is ``error`` or no cut makes it fit.
        """
        lists = [self._begin(candidates) for candidates in batch]
        for step in range(max((len(one.windows) for one in lists), default=0)):
            self._advance([one for one in lists if step < len(one.windows)], step)
        return [Ranked(Ranking.of(one.candidates, one.order), tuple(one.calls), tuple(one.defects)) for one in lists]

    def _begin(self, candidates: CandidateList) -> _List:
        texts, defects = cut_documents(candidates, self._options.max_words)
        return _List(candidates, texts, self._initial_order(candidates), self._windows(len(candidates)), defects=list(defects))

    def _initial_order(self, candidates: CandidateList) -> list[int]:
        order = list(range(len(candidates)))
        if self._options.initial_order == "reverse":
            order.reverse()
        elif self._options.initial_order == "random":
            random.Random(f"{self._options.seed} {candidates.query.id}").shuffle(order)  # noqa: S311 no secret
        return order

    def _windows(self, depth: int) -> list[_Window]:
        """All windows of all passes, but for those of a single document, which need no call."""
        options = self._options
        once = [w for w in windows(depth, options.window, options.step) if w[1] - w[0] > 1]
        return [
            _Window(start, end, f"{f'pass {number}, ' if options.passes > 1 else ''}window {start + 1}-{end}")
            for number in range(1, options.passes + 1)
            for start, end in once
        ]

    def _advance(self, lists: Sequence[_List], step: int) -> None:
        ids = [one.candidates.query.id for one in lists]
        with self._span("build prompt", ids):
            inputs = [self._input(one, one.windows[step]) for one in lists]
        if self._fitter is not None:
            with self._span("check lengths", ids):
                inputs = self._fitter.fit(inputs)
        with self._span("generate", ids):
            answers = self._generator.generate([i.prompt for i in inputs], max_tokens=self._options.max_new_tokens)
        if len(answers) != len(inputs):
            engine = type(self._generator).__name__
            raise EngineError(f"Engine {engine} was asked for {len(inputs)} answers and gave {len(answers)}.")
        for one, made, answer in zip(lists, inputs, answers, strict=True):
            one.take(one.windows[step], answer, made.defects)

    def _span(self, name: str, ids: Sequence[str]) -> AbstractContextManager[None]:
        return self._clock.span(name, query_ids=ids)

    def _input(self, one: _List, window: _Window) -> Input:
        shown = tuple(one.texts[p] for p in one.order[window.start : window.end])
        return Input(one.candidates.query, shown, self.prompt.render(one.candidates.query.text, shown))

    def _make_fitter(self, tokens: Tokens) -> Fitter:
        limit = tokens.max_tokens - self._options.max_new_tokens
        if limit < 1:
            raise ConfigError(
                f"max_new_tokens {self._options.max_new_tokens}: the engine takes {tokens.max_tokens} tokens in all, "
                "which leaves none for a prompt."
            )
        return Fitter(self.prompt.render, text_renderer(tokens, "auto"), tokens, limit, self._options.overflow)


@dataclass(frozen=True, slots=True)
class _Window:
    """Positions from `start` to before `end`; `phase` names them by rank."""

    start: int
    end: int
    phase: str


@dataclass(slots=True)
class _List:
    """Where one candidate list stands: the only thing here that changes.

    Attributes:
        texts: By candidate position, cut.
        order: Candidate positions, best first, as of the windows so far.
        windows: All that have a turn, in that order.
    """

    candidates: CandidateList
    texts: list[str]
    order: list[int]
    windows: list[_Window]
    calls: list[Call] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)

    def take(self, window: _Window, answer: Call, noted: Sequence[Defect]) -> None:
        """Put the window into the answer's order."""
        shown = self.order[window.start : window.end]
        order, repairs = parse_permutation(answer.text, len(shown))
        self.order[window.start : window.end] = [shown[p] for p in order]
        self.calls.append(replace(answer, phase=window.phase))
        self.defects += [replace(d, detail=f"{window.phase}: {d.detail}") for d in (*noted, *repairs)]

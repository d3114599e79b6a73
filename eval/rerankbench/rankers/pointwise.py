"""Rankers that judge each document apart from the others: cross-encoders, labels of a prompt, reasoning before either.

How a document gets its score is a judge's matter; here it is decided which judge, and what the scores of a list become.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from rerankbench import prompts
from rerankbench.errors import ConfigError, nearest
from rerankbench.protocols import PairScorer, Parts, TextGenerator, TokenScorer, Workload
from rerankbench.rankers.asking import Asker, lacking
from rerankbench.rankers.judging import Judge, Judged, LabelJudge, Labels, PairJudge, Subject
from rerankbench.rankers.reasoning import CLOSING_TOKENS, Analysed, Analysis, ReasonedLabels, ReasonedNumber
from rerankbench.rankers.texts import PerBenchmark, Reader, TextLimits, Texts, largest, words_read
from rerankbench.records import Call, CandidateList, Defect, DefectKind, Ranked, Ranking

Score = Literal["pair", "label", "reasoning-label", "reasoning-number"]


class PointwiseOptions(TextLimits):
    """
    Attributes:
        score: Where a document's score comes from. ``pair``: a cross-encoder (monoBERT, bge-reranker). ``label``: labels scored where
            the prompt is to be answered (monoT5, RankT5, Qwen3 pointwise, Qwen3-Reranker). ``reasoning-label``: labels scored behind
            generated reasoning (Rank1). ``reasoning-number``: an integer that the answer ends with (ERank).
        prompt: Of kind ``pointwise``, by name or YAML file. Of several the last one is judged; the answers of those before it fill
            placeholders of later ones, and one of kind ``query`` is asked once a query (JudgeRank).
        positive, negative: The labels, blanks included, each one token where it follows. With both, the score is the log-probability
            of the positive against the negative one; the positive one alone gives its raw logit.
        max_words: None, unlike elsewhere: models that read one document cut it by tokens.
        max_new_tokens: Of the reasoning, and of each earlier prompt's answer.
    """

    score: Score = "pair"
    prompt: str | tuple[str, ...] = ()
    positive: str = ""
    negative: str = ""
    max_words: PerBenchmark | None = None
    max_new_tokens: int = Field(default=4096, ge=1)

    @property
    def chain(self) -> tuple[str, ...]:
        """The prompts in the order in which they are asked."""
        return (self.prompt,) if isinstance(self.prompt, str) else self.prompt

    @property
    def reasons(self) -> bool:
        return self.score in ("reasoning-label", "reasoning-number")

    @model_validator(mode="after")
    def _keys_fit_the_score(self) -> Self:
        with_labels = self.score in ("label", "reasoning-label")
        if (self.score != "pair") != bool(self.chain):
            raise ValueError(f"score {self.score!r} {'needs a prompt' if self.score != 'pair' else 'has no prompt: leave it out'}")
        if self.score == "pair" and self.max_prompt_tokens is not None:
            raise ValueError("score 'pair' has no prompt: the engine limits the tokens of a pair, not max_prompt_tokens")
        if with_labels and not self.positive:
            raise ValueError(f"score {self.score!r} needs a label 'positive' (and 'negative', unless its raw logit is the score)")
        if not with_labels and (self.positive or self.negative):
            raise ValueError(f"score {self.score!r} has no labels: leave out 'positive' and 'negative'")
        return self


class PointwiseRanker:
    """Ranks by falling score; equal scores keep the incoming order. Native scores are the judge's.

    Raises:
        ConfigError: the engine lacks a capability, or the prompts do not make a chain.
    """

    Options = PointwiseOptions
    name: ClassVar[str] = "pointwise"
    reads_text: ClassVar[bool] = True

    def __init__(self, options: PointwiseOptions, parts: Parts) -> None:
        self._clock = parts.clock
        self._reader = Reader(options, parts.benchmark, parts.engine)
        chain = self.prompts_for(options, parts.benchmark)
        self._analyses = [
            Analysis(Asker(self.name, prompt, options, parts, room=options.max_new_tokens), options.max_new_tokens) for prompt in chain[:-1]
        ]
        self._judge = _judge(options, parts, chain)

    @classmethod
    def needs(cls, options: object) -> tuple[type, ...]:
        checked = cls.Options.model_validate(options)
        if checked.score == "pair":
            return (PairScorer,)
        return (TextGenerator, TokenScorer) if checked.reasons or len(checked.chain) > 1 else (TokenScorer,)

    @classmethod
    def prompts_for(cls, options: PointwiseOptions, benchmark: str) -> list[prompts.Prompt]:
        """The prompts that these options mean, in the wording of `benchmark`; none for a cross-encoder.

        Raises:
            ConfigError: there is no such prompt, its file is wrong, or a prompt shows what none before it gives.
        """
        chain = [prompts.load(name).for_benchmark(benchmark) for name in options.chain]
        given: set[str] = set()
        for prompt in chain:
            _check_link(prompt, given, last=prompt is chain[-1])
            given.add(prompt.file.gives)
        return chain

    @classmethod
    def build(cls, options: object, parts: Parts) -> Self:
        checked = cls.Options.model_validate(options)
        for capability in cls.needs(checked):
            if not isinstance(parts.engine, capability):
                raise lacking(cls.name, parts.engine, capability)
        return cls(checked, parts)

    @classmethod
    def provenance(cls, options: object, benchmark: str) -> Mapping[str, str]:
        return {prompt.name: prompt.hash for prompt in cls.prompts_for(cls.Options.model_validate(options), benchmark)}

    @classmethod
    def workload(cls, options: object, lists: Sequence[CandidateList]) -> Workload:
        """Without the words that a model has written itself and reads again."""
        checked = cls.Options.model_validate(options)
        kinds = [prompts.load(name).kind for name in checked.chain[:-1]]
        per_list = kinds.count("query")
        generating = len(kinds) - per_list + checked.reasons  # prompts a document that are answered in words
        asked = generating + 1
        documents = sum(map(len, lists))
        query_words = sum(len(c.query.text.split()) * (len(c) * asked + per_list) for c in lists)
        words = asked * sum(sum(words_read(c, largest(checked.max_words))) for c in lists)
        answers = generating * documents + per_list * len(lists)
        return Workload(asked * documents + per_list * len(lists), words=query_words + words, new_tokens=answers * checked.max_new_tokens)

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        """Rank every list; one engine call a step holds all documents of all lists.

        Calls of each result: one for each generated answer, raw text included, with the step and the document's id as its phase; and
        one for each step that only scores, for all documents together (tokens are this list's, batch size and seconds those of the
        call for the whole batch). Defects are counted by kind over the documents.

        Raises:
            DataError: a document's text is not at hand.
            OverLengthError: a prompt is too long, and either `overflow` is ``error`` or no cut makes it fit.
            RankingError: a score is not a number.
        """
        filled = [c for c in batch if len(c)]
        ranked = iter(self._rank(filled) if filled else ())
        return [next(ranked) if len(c) else Ranked(Ranking.of(c, ())) for c in batch]

    def _rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        with self._clock.span("build prompt", query_ids=[c.query.id for c in batch]):
            texts = [self._reader.read(c) for c in batch]
        subjects = [_subjects(c, read) for c, read in zip(batch, texts, strict=True)]
        steps: list[list[Analysed]] = []
        for analysis in self._analyses:
            steps.append(analysis.answer(subjects))
            subjects = [analysed.subjects for analysed in steps[-1]]
        judged = iter(self._judge.judge([s for those in subjects for s in those]))
        return [_ranked(c, texts[i].defects, [step[i] for step in steps], list(islice(judged, len(c)))) for i, c in enumerate(batch)]


def _judge(options: PointwiseOptions, parts: Parts, chain: Sequence[prompts.Prompt]) -> Judge:
    if options.score == "pair":
        if not isinstance(parts.engine, PairScorer):
            raise lacking(PointwiseRanker.name, parts.engine, PairScorer)
        return PairJudge(parts.engine, parts.clock)
    labels = Labels(options.positive, options.negative)
    if options.score == "label":
        return LabelJudge(Asker(PointwiseRanker.name, chain[-1], options, parts, room=1), labels)
    asker = Asker(PointwiseRanker.name, chain[-1], options, parts, room=options.max_new_tokens, behind=CLOSING_TOKENS)
    if options.score == "reasoning-label":
        return ReasonedLabels(asker, labels, options.max_new_tokens)
    return ReasonedNumber(asker, options.max_new_tokens)


def _check_link(prompt: prompts.Prompt, given: Collection[str], *, last: bool) -> None:
    """Raises: ConfigError: the prompt cannot stand at this place of a chain."""
    if prompt.kind != "pointwise" and (last or prompt.kind != "query"):
        expected = "'pointwise'" if last else "'pointwise' or 'query'"
        raise ConfigError(f"The ranker 'pointwise' needs a prompt of kind {expected}, but {prompt.name!r} is of kind {prompt.kind!r}.")
    if not last and not prompt.file.gives:
        raise ConfigError(f"Prompt {prompt.name!r} stands before others, but gives them nothing: its file has no 'gives'.")
    for name in prompt.file.given:
        if name not in given:
            raise ConfigError(f"Prompt {prompt.name!r} shows {{{name}}}, which no prompt before it gives. {nearest(name, given)}")


def _subjects(candidates: CandidateList, read: Texts) -> list[Subject]:
    query = replace(candidates.query, text=read.query)
    return [Subject(query, d.id, text) for d, text in zip(candidates.documents, read.documents, strict=True)]


def _ranked(candidates: CandidateList, noted: Sequence[Defect], steps: Sequence[Analysed], judged: Sequence[Judged]) -> Ranked:
    ranking = Ranking.by_score(candidates, [j.score for j in judged])
    sources: list[Analysed | Judged] = [*steps, *judged]
    return Ranked(ranking, _summed(c for s in sources for c in s.calls), (*noted, *_counted(d for s in sources for d in s.defects)))


def _summed(calls: Iterable[Call]) -> tuple[Call, ...]:
    """One call a phase, in the order of their first ones: those that share a phase are one engine call's, for many documents."""
    by_phase: dict[str, Call] = {}
    for call in calls:
        before = by_phase.get(call.phase)
        by_phase[call.phase] = (
            call
            if before is None
            else replace(
                before,
                prompt_tokens=before.prompt_tokens + call.prompt_tokens,
                completion_tokens=before.completion_tokens + call.completion_tokens,
            )
        )
    return tuple(by_phase.values())


def _counted(defects: Iterable[Defect]) -> tuple[Defect, ...]:
    """One defect a kind; where they differ in detail, the first one's stands for all."""
    by_kind: dict[DefectKind, list[Defect]] = {}
    for defect in defects:
        by_kind.setdefault(defect.kind, []).append(defect)
    return tuple(replace(alike[0], detail=_detail(alike), count=sum(d.count for d in alike)) for alike in by_kind.values())


def _detail(alike: Sequence[Defect]) -> str:
    different = len({d.detail for d in alike}) - 1
    return alike[0].detail + (f"; and {different} more like it" if different else "")

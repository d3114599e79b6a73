"""Stored runs under every combination of rules: how far a score, and the order of systems, hangs on choices that no ranker makes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

from rerankbench.measures.quality import check_measure
from rerankbench.scoring import (
    SAME,
    Judgements,
    Rules,
    Scorer,
    Stage,
    StoredRun,
    has_gain,
    has_level,
    parsed_measure,
    rules_of,
    stored_mean,
)


@dataclass(frozen=True, slots=True)
class Combination:
    """One combination of rules.

    Attributes:
        means: Run → mean; None where these rules give none.
    """

    rules: Rules
    means: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Move:
    """What one choice does to one run's score.

    Attributes:
        alone: The largest change of the default score by this choice alone.
        most: The largest distance between two combinations that differ in this choice alone.
    """

    choice: str
    alone: float
    most: float


@dataclass(frozen=True, slots=True)
class Distinct:
    """One of the values that a run can have.

    Attributes:
        value: None: no value.
        rules: The combination that gives it with the fewest changes of the default.
        combinations: How many give it.
    """

    value: float | None
    rules: Rules
    combinations: int


@dataclass(frozen=True, slots=True)
class Reversal:
    """Two runs whose order hangs on the rules.

    Attributes:
        above, below: By the default (where that ties: by the first combination that does not).
        rules: The combination with the fewest changes of the default that puts `below` above.
        combinations: How many do.
    """

    above: str
    below: str
    rules: Rules
    combinations: int


@dataclass(frozen=True)
class Rescored:
    """Runs under every combination of the choices in play.

    Attributes:
        choices: Choice → its options, the default's first; only where there are two or more.
        combinations: The default first.
        notes: What must be known about the default.
    """

    measure: str
    runs: tuple[str, ...]
    default: Rules
    choices: Mapping[str, tuple[Any, ...]]
    combinations: tuple[Combination, ...]
    notes: tuple[str, ...]

    def default_mean(self, run: str) -> float | None:
        return self.combinations[0].means[run]

    def range(self, run: str) -> tuple[float, float] | None:
        """The lowest and the highest mean; None where no combination gives one."""
        values = [value for c in self.combinations if (value := c.means[run]) is not None]
        return (min(values), max(values)) if values else None

    def moves(self, run: str) -> list[Move]:
        """Every choice, the one that moves the score most first."""
        return sorted((self._move(choice, run) for choice in self.choices), key=lambda move: (-move.most, -abs(move.alone)))

    def distinct(self, run: str) -> list[Distinct]:
        """All values, highest first, no value last."""
        by_value: dict[float | None, list[Rules]] = {}
        for combination in self._by_changes():
            value = combination.means[run]
            key = next((known for known in by_value if _same(known, value)), value)
            by_value.setdefault(key, []).append(combination.rules)
        found = [Distinct(value, rules[0], len(rules)) for value, rules in by_value.items()]
        return sorted(found, key=lambda each: math.inf if each.value is None else -each.value)

    def reversals(self) -> list[Reversal]:
        """Every two runs that change places under some combination."""
        return [found for a, b in combinations(self.runs, 2) if (found := self._reversal(a, b)) is not None]

    def _move(self, choice: str, run: str) -> Move:
        groups: dict[Rules, list[float]] = {}
        for each in self.combinations:
            value = each.means[run]
            if value is not None:
                groups.setdefault(replace(each.rules, **{choice: getattr(self.default, choice)}), []).append(value)
        default = self.default_mean(run)
        alone = [value - default for value in groups.get(self.default, ())] if default is not None else []
        return Move(choice, max(alone, key=abs, default=0.0), max((max(g) - min(g) for g in groups.values()), default=0.0))

    def _reversal(self, a: str, b: str) -> Reversal | None:
        signs = [(_sign(c.means[a], c.means[b]), c.rules) for c in self._by_changes()]
        strict = [(sign, rules) for sign, rules in signs if sign]
        against = [rules for sign, rules in strict if sign != strict[0][0]]
        if not against:
            return None
        above, below = (a, b) if strict[0][0] > 0 else (b, a)
        return Reversal(above, below, against[0], len(against))

    def _by_changes(self) -> list[Combination]:
        """Fewest changes of the default first; stable."""
        return sorted(self.combinations, key=lambda each: len(each.rules.changes(self.default)))


def _same(a: float | None, b: float | None) -> bool:
    return a is b if a is None or b is None else abs(a - b) <= SAME


def _sign(a: float | None, b: float | None) -> int:
    return 0 if a is None or b is None or abs(a - b) <= SAME else 1 if a > b else -1


def rescore(runs: Mapping[str, StoredRun], judged: Judgements, measure: str = "") -> Rescored:
    """Measure runs of one benchmark under every combination of rules.

    Args:
        runs: Name → run, at least one. The rules of the first are the default.
        measure: As ir_measures writes it; by default the first of the first run's.

    Raises:
        ConfigError: the measure is unknown.
        MeasureError: a run and some judgements share no query.
    """
    first = next(iter(runs.values()))
    asked = check_measure(measure) if measure else first.measure
    scorers = {name: Scorer(run, judged, asked) for name, run in runs.items()}
    default = rules_of(first, judged, asked)
    options = _options(list(scorers.values()), judged, default)
    done = [Combination(rules, {name: scorer.mean(rules) for name, scorer in scorers.items()}) for rules in _rules(options)]
    choices = {choice: values for choice, values in options.items() if len(values) > 1}
    return Rescored(asked, tuple(runs), default, choices, tuple(done), tuple(_notes(scorers, judged, default)))


def _options(scorers: Sequence[Scorer], judged: Judgements, default: Rules) -> dict[str, tuple[Any, ...]]:
    """Choice → options, the default's first; one alone where the choice cannot matter."""
    parsed, graded = parsed_measure(scorers[0].measure), judged.highest > 1
    scored = any(ranking.scores is not None for scorer in scorers for ranking in scorer.run.rankings)
    stages: tuple[Stage, ...] = ("after", "none") if judged.excluded is not None else ()
    lacking = any(
        scorer.missing(replace(default, qrels=version, exclusions=stage))
        for scorer in scorers
        for version in judged.versions
        for stage in stages or (default.exclusions,)
    )
    in_play: dict[str, tuple[Any, ...]] = {
        "ties": ("ranker", "trec_eval", "stable") if scored else (),
        "missing": ("error", "zero", "skip") if lacking else (),
        "gain": ("linear", "exponential") if graded and has_gain(parsed) else (),
        "level": (1, 2) if graded and (has_level(parsed) or parsed.NAME == "nDCG") else (),
        "exclusions": stages,
        "qrels": tuple(judged.versions),
    }
    return {choice: tuple(dict.fromkeys((getattr(default, choice), *options))) for choice, options in in_play.items()}


def _rules(options: Mapping[str, Sequence[Any]]) -> Iterator[Rules]:
    for values in product(*options.values()):
        yield Rules(**dict(zip(options, values, strict=True)))


def _notes(scorers: Mapping[str, Scorer], judged: Judgements, default: Rules) -> Iterator[str]:
    for name, scorer in scorers.items():
        run, own = scorer.run, rules_of(scorer.run, judged, scorer.measure)
        if run.qrels_sha256 not in judged.sha256.values():
            yield f"{name} was measured by other judgements (SHA-256 {run.qrels_sha256[:12]}) than those at hand."
        elif own != default:
            said = ", ".join(f"{choice} {value}" for choice, value in own.changes(default).items())
            yield f"{name} was measured by other rules than the first run: {said}."
        elif (stored := stored_mean(run, scorer.measure)) is not None and not _same(stored, scorer.mean(default)):
            yield f"{name}: its stored measurements give {stored:.6f}; excluded documents or software have changed since."
        if run.limit is not None:
            yield f"{name} has the first {run.limit} queries only."

"""Complete run folders, measured under any rules: from the order and the native scores that the journal keeps. Ranks nothing.

Knows neither which rules are worth trying nor what other runs there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from rerankbench.benchmarks import Benchmarks
from rerankbench.benchmarks.exclusions import Exclusions, rankings_without_excluded, read_exclusions
from rerankbench.benchmarks.sources import cache_folder, sha256_of
from rerankbench.benchmarks.task_folder import EXCLUDED, FOLDER
from rerankbench.errors import ConfigError, MissingData, MissingError, StoreError, UsageError
from rerankbench.measures.quality import Measured, check_measure, measure
from rerankbench.plan import made_without_excluded
from rerankbench.records import Qrels, Ranking
from rerankbench.store import read_manifest, read_measurements, read_rankings
from rerankbench.trec import Run, read_qrels, trec_order

if TYPE_CHECKING:
    import ir_measures

Ties = Literal["ranker", "trec_eval", "stable"]
Missing = Literal["error", "zero", "skip"]
Gain = Literal["linear", "exponential"]
Stage = Literal["after", "none"]
SAME = 1e-9
"""Values that differ by less are one value: sums of the same gains in another order."""

_OF_A_RUN = frozenset({"system", "identity", "measures", "data", "caveat", "seconds"})


@dataclass(frozen=True, slots=True)
class Rules:
    """One way to measure a run.

    Attributes:
        ties: Who orders the documents. ``ranker``: it does, as ``run.trec`` with its strictly falling scores has it.
            ``trec_eval``: the native scores in single precision, equal ones by falling document id. ``stable``: the native
            scores, equal ones in the ranker's order. A ranking without native scores is the ranker's under each.
        missing: Of a judged query without a ranking: no value at all, 0, or left out.
        gain: Of a grade, in nDCG: itself, or 2^grade - 1.
        level: The lowest grade that counts. In nDCG lower grades are worth 0.
        exclusions: Whether documents that the benchmark excludes are dropped after ranking.
        qrels: The name of the judgements.
    """

    ties: Ties = "ranker"
    missing: Missing = "error"
    gain: Gain = "linear"
    level: int = 1
    exclusions: Stage = "none"
    qrels: str = ""

    def changes(self, other: Rules) -> dict[str, Any]:
        """What is otherwise here than in `other`."""
        theirs = asdict(other)
        return {name: value for name, value in asdict(self).items() if value != theirs[name]}


@dataclass(frozen=True)
class StoredRun:
    """A complete run folder.

    Attributes:
        rankings: In the order of the journal, with native scores where the ranker gave some.
    """

    path: Path
    manifest: Mapping[str, Any]
    rankings: tuple[Ranking, ...]

    @property
    def system(self) -> str:
        return str(self.manifest["system"]["name"])

    @property
    def benchmark(self) -> str:
        return str(self.manifest["identity"]["benchmark"]["name"])

    @property
    def qrels_sha256(self) -> str:
        """Of the judgements that it was measured by."""
        return str(self.manifest["identity"]["benchmark"]["qrels_sha256"])

    @property
    def limit(self) -> int | None:
        return cast("int | None", self.manifest["identity"]["limit"])

    @property
    def measure(self) -> str:
        """The first of its measures, which is the one that tables show."""
        return check_measure(self.manifest["measures"]["names"][0])

    @property
    def exclusions(self) -> str:
        """When excluded documents were dropped; manifests from before there was a choice do not say, and dropped none."""
        return str(self.manifest["measures"].get("exclusions", "none"))

    @property
    def may_hold_excluded(self) -> bool:
        """Whether its lists were made with the documents that its benchmark excludes, if that excludes any."""
        published = "made_with" not in self.manifest["data"]["candidates"]
        without = published and made_without_excluded(self.manifest["identity"]["candidates"]["first_stage"])
        return self.exclusions != "before" and not without


def read_stored(path: Path) -> StoredRun:
    """Read a complete run folder; nothing in it is changed.

    Raises:
        UsageError: it is a file.
        MissingError: there is no such folder, or its run is not complete.
        StoreError: it is damaged, or not of a run.
    """
    if path.is_file():
        raise UsageError(f"{path} is a file: it tells neither native scores nor a protocol.", hint="Name a run folder.")
    if not path.is_dir():
        raise MissingData(f"There is no run folder {path}.")
    manifest = read_manifest(path)
    if manifest is None:
        raise MissingError(f"{path} holds no complete run.", hint="rerankbench run goes on where it was stopped.")
    if not manifest.keys() >= _OF_A_RUN:
        raise StoreError(f"{path} holds no run: its manifest does not tell {', '.join(sorted(_OF_A_RUN - manifest.keys()))}.")
    # The journal of a complete run is whole (its hash was compared), so that reading it mends nothing.
    return StoredRun(path, manifest, tuple(ranked.ranking for ranked in read_rankings(path)))


def named(runs: Sequence[StoredRun]) -> dict[str, StoredRun]:
    """The runs by system, or by folder where systems are called alike.

    Raises:
        UsageError: a folder is named twice.
    """
    systems, folders = [run.system for run in runs], [run.path.resolve() for run in runs]
    if len(set(folders)) < len(folders):
        raise UsageError(f"{next(run.path for run in runs if folders.count(run.path.resolve()) > 1)} is named twice.")
    return {run.system if systems.count(run.system) == 1 else str(run.path): run for run in runs}


@dataclass(frozen=True)
class Judgements:
    """What decides the value of a run besides its rankings.

    Attributes:
        versions: Name → judgements.
        sha256: Name → of their file.
        excluded: The documents that the benchmark excludes; None where it excludes none.
    """

    versions: Mapping[str, Qrels]
    sha256: Mapping[str, str]
    excluded: Exclusions | None = None

    @property
    def highest(self) -> int:
        """The highest grade of all versions."""
        return max((grade for qrels in self.versions.values() for of in qrels.values() for grade in of.values()), default=0)

    def version_of(self, run: StoredRun) -> str:
        """The version that the run was measured by, or else the first."""
        same = [name for name, sha256 in self.sha256.items() if sha256 == run.qrels_sha256]
        return (same or list(self.versions))[0]


def judgements(runs: Sequence[StoredRun], benchmarks: Benchmarks, files: Sequence[Path] = ()) -> Judgements:
    """The judgements of the runs' benchmark that are at hand, then those of `files`.

    Raises:
        UsageError: the runs are of several benchmarks, or of one of the user's own and `files` is empty.
        MissingData: nothing is at hand, or the benchmark excludes documents and no source says which.
    """
    benchmark = _one({run.benchmark for run in runs}, "benchmark")
    _one({str(run.limit) for run in runs}, "limit")
    versions: dict[str, Qrels] = {}
    hashes: dict[str, str] = {}
    excluded = None
    try:
        collection = benchmarks.open(benchmark)
        file = collection.qrels_file()
        name = Path(file.place).name
        versions[name], hashes[name] = collection.qrels(), file.sha256
        excluded = collection.excluded() if any(run.may_hold_excluded for run in runs) else None
    except ConfigError as error:
        if not files:
            hint = f"Name its judgements: --qrels {_judgements_of(runs[0])}"
            raise UsageError(f"The catalog has no benchmark {benchmark!r}: it is one of your own.", hint=hint) from error
        excluded = _excluded_beside(files, runs)
    except MissingData:
        if not files or versions:
            raise
    for path in files:
        qrels, sha256 = read_qrels(path), sha256_of(path)
        if sha256 not in hashes.values():
            name = path.name if path.name not in versions else str(path)
            versions[name], hashes[name] = qrels, sha256
    return Judgements(versions, hashes, excluded)


def _judgements_of(run: StoredRun) -> str:
    """Where they lie, as far as a manifest can tell, which is written for every machine."""
    file = run.manifest["data"]["qrels"]
    folder = f", below {cache_folder() / FOLDER}" if str(file.get("source", "")).startswith("mteb ") else ""
    return f"{file['place']}{folder}"


def _excluded_beside(files: Sequence[Path], runs: Sequence[StoredRun]) -> Exclusions | None:
    """What these runs of an own benchmark were measured without: in the folder of a task of mteb, where judgements of `files` lie.

    Raises:
        MissingData: some were measured without, and the file is not there.
    """
    wanted = {run.manifest["measures"].get("excluded_sha256") for run in runs} - {None}
    if not wanted:
        return None
    beside = [path.absolute().parent.parent / EXCLUDED for path in files]
    found = next((path for path in beside if path.is_file() and sha256_of(path) in wanted), None)
    if found is None:
        raise MissingData(
            f"{runs[0].benchmark} excludes documents from some queries, and which is not known here: none of the named judgements lies"
            " in the folder of its task.",
            hint=f"Name its own judgements: --qrels {_judgements_of(runs[0])}",
        )
    return read_exclusions(found)


def _one(found: set[str], what: str) -> str:
    if len(found) > 1:
        raise UsageError(f"These runs have more than one {what}: {', '.join(sorted(found))}.", hint="Name runs over the same queries.")
    return next(iter(found))


def rules_of(run: StoredRun, judged: Judgements, measure: str) -> Rules:
    """The rules that a run was measured by. `measure` says the gain and the level."""
    parsed = parsed_measure(measure)
    gain: Gain = "exponential" if parsed.NAME == "nDCG" and parsed["dcg"] == "exp-log2" else "linear"
    level = int(parsed["rel"]) if has_level(parsed) else 1
    drops: Stage = "after" if judged.excluded is not None and run.exclusions != "none" else "none"
    return Rules("ranker", run.manifest["measures"]["missing"], gain, level, drops, judged.version_of(run))


class Scorer:
    """Measures one run under any rules; what two of them share is computed once.

    Args:
        measure: As ir_measures writes it; rules replace its gain and its level.
    """

    def __init__(self, run: StoredRun, judged: Judgements, measure: str) -> None:
        self.run = run
        self.measure = check_measure(measure)
        self._judged = judged
        self._runs: dict[tuple[Ties, Stage], Run] = {}
        self._same: dict[tuple[Ranking, ...], Run] = {}
        self._measured: dict[tuple[int, Gain, int, str], Measured] = {}

    def mean(self, rules: Rules) -> float | None:
        """The mean over the queries that count; None where the rules give none."""
        values = self.values(rules)
        return None if values is None else math.fsum(values.values()) / len(values)

    def values(self, rules: Rules) -> dict[str, float] | None:
        """Query id → value; None where a judged query has no ranking and the rule for that is ``error``.

        Raises:
            MeasureError: the run and these judgements share no query.
        """
        measured = self._measure(rules)
        if measured.missing and rules.missing == "error":
            return None
        (values,) = (measured.values(name) for name in measured.means)
        return {query: values.get(query, 0.0) for query in self._qrels(rules)} if rules.missing == "zero" else values

    def ranking(self, rules: Rules) -> Run:
        """The run as these rules order it and free it from excluded documents."""
        asked = rules.ties, rules.exclusions
        if asked not in self._runs:
            rankings = tuple(self._rankings(rules))
            self._runs[asked] = self._same.setdefault(rankings, Run.of(rankings))
        return self._runs[asked]

    def _rankings(self, rules: Rules) -> list[Ranking]:
        rankings = [_ordered(ranking, rules.ties) for ranking in self.run.rankings]
        if rules.exclusions == "after" and self._judged.excluded is not None and self.run.may_hold_excluded:
            return rankings_without_excluded(rankings, self._judged.excluded)[0]
        return rankings

    def missing(self, rules: Rules) -> tuple[str, ...]:
        """The judged queries without a ranking."""
        return self._measure(rules).missing

    def _measure(self, rules: Rules) -> Measured:
        run = self.ranking(rules)
        key = (id(run), rules.gain, rules.level, rules.qrels)  # the run is kept, so that no other gets its id
        if key not in self._measured:
            parsed = parsed_measure(self.measure)
            qrels = self._qrels(rules)
            if not has_level(parsed):
                qrels = from_level(qrels, rules.level)
            self._measured[key] = measure(run, qrels, [_under(parsed, rules)], missing="skip")
        return self._measured[key]

    def _qrels(self, rules: Rules) -> Qrels:
        """Of a run over the first queries only, those of its queries."""
        qrels = self._judged.versions[rules.qrels]
        if self.run.limit is None:
            return qrels
        ranked = {ranking.query_id for ranking in self.run.rankings}
        return {query: grades for query, grades in qrels.items() if query in ranked}


def from_level(qrels: Qrels, level: int) -> Qrels:
    """The judgements with the grades below `level` set to 0; negative ones stay."""
    if level <= 1:
        return qrels
    return {query: {doc_id: 0 if 0 < grade < level else grade for doc_id, grade in of.items()} for query, of in qrels.items()}


def _ordered(ranking: Ranking, ties: Ties) -> Ranking:
    if ranking.scores is None or ties == "ranker":
        return Ranking(ranking.query_id, ranking.doc_ids)
    scores = np.asarray(ranking.scores, dtype=np.float64)
    if ties == "stable":
        positions = np.argsort(-scores, kind="stable").tolist()
    else:
        positions = trec_order(scores, lambda position: ranking.doc_ids[position].encode())
    return Ranking(ranking.query_id, tuple(ranking.doc_ids[p] for p in positions))


def parsed_measure(text: str) -> ir_measures.Measure:
    """Raises: ConfigError: see `check_measure`."""
    import ir_measures

    return ir_measures.parse_measure(check_measure(text))


def has_level(parsed: ir_measures.Measure) -> bool:
    """Whether it takes documents as relevant or not, from some grade on."""
    return "rel" in parsed.SUPPORTED_PARAMS


def has_gain(parsed: ir_measures.Measure) -> bool:
    """Whether grades have gains there that a rule may replace."""
    return parsed.NAME == "nDCG" and "gains" not in parsed.params


def _under(parsed: ir_measures.Measure, rules: Rules) -> str:
    if has_level(parsed):
        return str(parsed(rel=rules.level))
    return str(parsed(dcg="exp-log2" if rules.gain == "exponential" else "log2")) if has_gain(parsed) else str(parsed)


def stored_mean(run: StoredRun, measure: str) -> float | None:
    """The mean of a measure as it was stored with the run; None where the run was not measured by it."""
    values = [m.value for m in read_measurements(run.path) if m.measure == measure]
    return math.fsum(values) / len(values) if values else None

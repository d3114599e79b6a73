"""A run from elsewhere as a system, so that a ranking that somebody published can stand in a table. Asks no model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

from rerankbench.config import Options
from rerankbench.errors import DataError, MissingData
from rerankbench.protocols import Parts
from rerankbench.rankers.base import BaseRanker
from rerankbench.records import CandidateList, Defect, DefectKind, Ranked, Ranking
from rerankbench.trec import Run, read_run


class RunFileOptions(Options):
    """
    Attributes:
        file: A TREC run, compressed or not, from the working folder; ``{benchmark}`` in it is the benchmark's name, and ``{data}`` the
            data folder.
        strict: Whether a document that is no candidate stops the run: the file is then of other lists, and what it would show here is not
            what its system did. False leaves such documents out, and counts them.
    """

    NEUTRAL: ClassVar[frozenset[str]] = frozenset({"file"})
    """Its hash is part of a run's identity: the same file in another place is the same run."""

    file: str
    strict: bool = True


class RunFileRanker(BaseRanker):
    """Ranks as the file does: by falling score, equal scores as trec_eval orders them, whatever its rank column says.

    Candidates that the file leaves out follow in incoming order, and are counted. Native scores are the file's, unless it leaves
    candidates out.

    Args:
        file: Where the run was read, for errors.
    """

    Options: ClassVar[type[Options]] = RunFileOptions
    name: ClassVar[str] = "run"
    reads_text: ClassVar[bool] = False

    def __init__(self, run: Run, file: str, *, strict: bool) -> None:
        self._run = run
        self._file = file
        self._strict = strict

    @classmethod
    def build(cls, options: object, parts: Parts) -> Self:
        """Raises: MissingData: there is no such file. DataError: it is no run."""
        checked = RunFileOptions.model_validate(options)
        file = _file(checked, parts.benchmark)
        return cls(read_run(file), file, strict=checked.strict)

    @classmethod
    def provenance(cls, options: object, benchmark: str) -> Mapping[str, str]:
        """The SHA-256 of the file, so that an edited file is another run.

        Raises:
            MissingData: there is no such file.
            DataError: it cannot be read.
        """
        file = _file(RunFileOptions.model_validate(options), benchmark)
        try:
            with Path(file).open("rb") as opened:
                return {"run_sha256": hashlib.file_digest(opened, "sha256").hexdigest()}
        except FileNotFoundError as error:
            raise MissingData(
                f"There is no run file {file}.",
                hint="Put it there, or name another by the ranker's option 'file' (from the working folder).",
            ) from error
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror or error}.") from error

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        """
        Raises:
            DataError: the run lacks a query, or ranks documents that are no candidates while `strict` is set.
        """
        absent = [c.query.id for c in batch if len(c) and c.query.id not in self._run]
        if absent:
            raise DataError(
                f"{self._file} has no ranking of {len(absent)} of {len(batch)} queries: {_some(absent)}.",
                hint="A run stands in a table only with a ranking of every query. Does the file belong to this benchmark?",
            )
        return [self._ranked(c) if len(c) else Ranked(Ranking.of(c, ())) for c in batch]

    def _ranked(self, candidates: CandidateList) -> Ranked:
        positions = {d.id: p for p, d in enumerate(candidates.documents)}
        run = self._run.ranking(candidates.query.id)
        foreign = [doc_id for doc_id in run if doc_id not in positions]
        if foreign and self._strict:
            raise DataError(
                f"{self._file} ranks {len(foreign)} documents for query {candidates.query.id!r} that are not among its {len(candidates)} "
                f"candidates: {_some(foreign)}.",
                hint="Choose the first stage and depth that the run was made from, or set 'strict: false' to leave such documents out.",
            )
        order = [positions[doc_id] for doc_id in run if doc_id in positions]
        ranked = set(order)
        missing = [p for p in range(len(candidates)) if p not in ranked]
        scores = None if missing else self._scores(candidates, run, positions)
        return Ranked(Ranking.of(candidates, [*order, *missing], scores), defects=_defects(len(foreign), len(missing)))

    def _scores(self, candidates: CandidateList, run: Sequence[str], positions: Mapping[str, int]) -> list[float]:
        """The file's, by candidate position; it ranks every candidate."""
        scores = [0.0] * len(candidates)
        for doc_id, score in zip(run, self._run.scores(candidates.query.id), strict=True):
            if doc_id in positions:
                scores[positions[doc_id]] = score
        return scores


def _file(options: RunFileOptions, benchmark: str) -> str:
    return options.file.replace("{benchmark}", benchmark)


def _defects(foreign: int, missing: int) -> tuple[Defect, ...]:
    defects = []
    if foreign:
        defects.append(Defect(DefectKind.OUT_OF_RANGE, "documents of the run that are no candidates, left out", foreign))
    if missing:
        defects.append(Defect(DefectKind.MISSING, "candidates that the run leaves out, appended in incoming order", missing))
    return tuple(defects)


def _some(ids: Sequence[str]) -> str:
    """The first three, quoted, and how many more."""
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return ", ".join(map(repr, ids[:3])) + more

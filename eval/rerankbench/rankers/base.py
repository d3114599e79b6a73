"""What a ranker needs besides `rank`, with defaults: the way to write one in a few lines."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import ClassVar, Self

from rerankbench.config import Options
from rerankbench.protocols import Parts, Workload
from rerankbench.records import CandidateList


class NoOptions(Options):
    """A ranker without options."""


class BaseRanker:
    """A ranker that needs no engine and has no options, until a subclass says otherwise; it has to bring `rank` and `name`.

    See `protocols.Ranker` and `protocols.BuildsRanker` for what each part means.
    """

    Options: ClassVar[type[Options]] = NoOptions
    reads_text: ClassVar[bool] = True

    @classmethod
    def needs(cls, options: object) -> tuple[type, ...]:  # noqa: ARG003 the contract of all rankers
        return ()

    @classmethod
    def build(cls, options: object, parts: Parts) -> Self:  # noqa: ARG003 the contract of all rankers
        return cls()

    @classmethod
    def provenance(cls, options: object, benchmark: str) -> Mapping[str, str]:  # noqa: ARG003 the contract of all rankers
        """The hash of the class's own code, so that a run made before an edit is never taken for one made after it."""
        return {"code_sha256": _code_sha256(cls)}  # type: ignore[arg-type]  # mypy takes no class for hashable

    @classmethod
    def workload(cls, options: object, lists: Sequence[CandidateList]) -> Workload:  # noqa: ARG003 the contract of all rankers
        return Workload()


@cache
def _code_sha256(of: type) -> str:
    """A plan asks for every cell, and finding a class in its file takes milliseconds; what has been imported does not change."""
    return hashlib.sha256(inspect.getsource(of).encode()).hexdigest()

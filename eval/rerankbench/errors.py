"""Every error that rerankbench raises on purpose.

::

    RerankbenchError                exit 1   base: says what, where, what was expected; `hint` says what to do next
    ├── UsageError                  exit 2   the command line contradicts itself
    │   └── ConfigError             exit 2   a configuration file is wrong: file, key, nearest valid names
    ├── DataError                   exit 1   a data file is there but its content is wrong
    │   ├── TrecFormatError         exit 1   … a run or qrels file, at a line
    │   └── DataMismatch            exit 1   … a count or hash differs from the pinned one
    ├── MissingError                exit 3   something is not at hand; `hint` is the command or download that gets it
    │   ├── MissingData             exit 3
    │   ├── MissingWeights          exit 3
    │   ├── MissingKey              exit 3   … the key of a served model
    │   └── MissingExtra            exit 3   an optional Python package
    ├── RankingError                exit 1   a ranker's output is not a permutation of its input
    ├── EngineError                 exit 1   a model could not be loaded or run
    │   └── OverLengthError         exit 1   an input is longer than the engine takes
    ├── StoreError                  exit 1   a run folder is locked, foreign or damaged
    └── MeasureError                exit 1   a run and its qrels do not fit together
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class RerankbenchError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: What is wrong, where, and what was expected.
        hint: What to do next; empty when the message says it all.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(RerankbenchError):
    """The command line contradicts itself or names something that does not exist."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file, or a name in it, is not valid."""


class DataError(RerankbenchError):
    """A data file is at hand, but its content is wrong."""


class TrecFormatError(DataError):
    """A line of a run or qrels file cannot be read.

    Args:
        path: The file as the user named it.
        line: Line number, from 1; 0 when the error belongs to no single line.
        problem: What is wrong with that line and what was expected.
    """

    def __init__(self, path: str, line: int, problem: str, *, hint: str = "") -> None:
        super().__init__(f"{path}:{line}: {problem}" if line else f"{path}: {problem}", hint=hint)
        self.path = path
        self.line = line
        self.problem = problem


class DataMismatch(DataError):
    """A count or a hash of a data file differs from the pinned one."""


class MissingError(RerankbenchError):
    """Something is not at hand that could be had; `hint` is the command or download that gets it."""

    exit_code = 3


class MissingData(MissingError):
    """A candidate list, qrels file, corpus or document text is not at hand."""


class MissingWeights(MissingError):
    """A model's weights are not at hand."""


class MissingKey(MissingError):
    """The key that a server of models asks for is not in the environment."""


class MissingExtra(MissingError):
    """An optional Python package is not installed.

    Args:
        what: What needs it, e.g. ``"engine 'transformers'"``.
        extra: The extra of this package that brings it.
        cause: The import error's text.
    """

    def __init__(self, what: str, extra: str, cause: str) -> None:
        super().__init__(f"{what} needs a package that is not installed ({cause})", hint=f"pip install 'rerankbench[{extra}]'")
        self.extra = extra


class RankingError(RerankbenchError):
    """A ranker's output is not a permutation of its candidates, or holds a score that is no number."""


class EngineError(RerankbenchError):
    """A model could not be loaded or run."""


class OverLengthError(EngineError):
    """An input is longer than the engine takes, and the protocol says to stop there."""


class StoreError(RerankbenchError):
    """A run folder is locked by another process, belongs to another run, or is damaged."""


class MeasureError(RerankbenchError):
    """A run and its qrels do not fit together, e.g. a judged query has no ranking."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Say which valid names resemble `name`, for the end of an error message.

    Returns:
        ``"Did you mean 'dl19'?"``, or the whole choice when nothing is near.
    """
    choice = sorted(set(valid))
    folded = {known.casefold(): known for known in choice}  # "bm25" is near to "BM25"
    near = [folded[known] for known in get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    if near:
        return f"Did you mean {' or '.join(repr(n) for n in near)}?"
    return f"Valid names: {', '.join(choice)}." if choice else "There is no valid name here."

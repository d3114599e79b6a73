"""Writing run files. Knows no native score: the order is the result."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from rerankbench.errors import DataError
from rerankbench.records import Ranking

_WHITE = re.compile(r"[ \t\n\v\f\r]")
_NEVER = re.compile(r"[\t\n\v\f\r\0]")


def write_run(file: str | os.PathLike[str] | BinaryIO, rankings: Iterable[Ranking], tag: str) -> None:
    """Write rankings so that every reader finds the same order in them.

    A ranking of n documents gets the ranks 1 … n and the scores n … 1, whole numbers that fall strictly in single precision
    too. Native scores are kept elsewhere. Single spaces separate the columns, also around an id that holds spaces, as the
    published BRIGHT runs have it: `read_run` finds such an id again; trec_eval cannot (nor with tabs, which it takes for
    spaces), and neither can a reader that splits lines at every space.

    Args:
        file: A path, or a file opened for writing bytes.
        tag: Names the run in the last column.

    Raises:
        DataError: an id or the tag could not be read back, or a query or a document of a query occurs twice. What was
            written before the ranking at fault stays in the file.
    """
    lines = _lines(rankings, tag)
    if isinstance(file, (str, os.PathLike)):
        with Path(file).open("wb") as opened:
            opened.writelines(lines)
    else:
        file.writelines(lines)


def _lines(rankings: Iterable[Ranking], tag: str) -> Iterator[bytes]:
    _check("tag", tag, _WHITE)
    written: set[str] = set()
    for ranking in rankings:
        query_id, n = ranking.query_id, len(ranking.doc_ids)
        _check("query id", query_id, _WHITE)
        if query_id in written or len(set(ranking.doc_ids)) < n:
            what = "occurs in a second ranking" if query_id in written else "has a document more than once"
            raise DataError(f"Query {query_id!r} {what}: such a run file could not be read back.")
        written.add(query_id)
        for position, doc_id in enumerate(ranking.doc_ids):
            _check("document id", doc_id, _NEVER)
            yield f"{query_id} Q0 {doc_id} {position + 1} {n - position} {tag}\n".encode()


def _check(what: str, value: str, forbidden: re.Pattern[str]) -> None:
    """Refuse what `read_run` would not give back as it is."""
    found = forbidden.search(value)
    if not value or found or value != value.strip(" ") or value.startswith("\ufeff"):
        problem = f"it holds {found[0]!r}" if found else "it is empty, or begins or ends with a space or a byte order mark"
        raise DataError(f"The {what} {value!r} cannot stand in a run file: {problem}.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"The {what} {value!r} cannot stand in a run file: {error.reason}.") from error

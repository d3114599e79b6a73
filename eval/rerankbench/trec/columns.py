"""The lines of a run file as columns, without an object a line. Knows no order.

A block of regular lines (five equal separators and a line feed, as nearly every run file has) is taken apart by a few array
operations; any other block line by line. Both give the same columns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rerankbench.protocols import Doubles
from rerankbench.trec.text import Text

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]
Keys = NDArray[np.uint64]

QUERY, DOCUMENT, SCORE = 0, 2, 4
_SPACE, _TAB, _NEWLINE = b" \t\n"
_WIDE = 64
_INTEGER = re.compile(rb"[+-]?[0-9]+")
# Powers of an odd number are odd: multiplying by one of them loses no bit, so two ids of at most 8 bytes never share a key.
_ODD = np.array([pow(0x9E3779B97F4A7C15, k + 1, 2**64) for k in range(_WIDE // 8)], dtype=np.uint64)

# Row k keeps the first k bytes.
_MASKS = (np.tri(_WIDE + 1, _WIDE, -1, dtype=np.uint8) * np.uint8(0xFF)).view(np.uint64)


class Stretch(NamedTuple):
    """Consecutive lines of one query."""

    query_id: bytes
    lines: int


@dataclass(frozen=True, slots=True)
class Columns:
    """Some lines of a run file.

    Attributes:
        starts, ends: Shape (lines,): where each document id lies in the file's data.
        scores: Shape (lines,), the doubles that `float` makes of the score column.
        keys: Shape (lines,): equal for equal document ids, and hardly ever equal for others.
        stretches: The query column.
    """

    starts: Offsets
    ends: Offsets
    scores: Doubles
    keys: Keys
    stretches: Sequence[Stretch]


def columns(text: Text, start: int, stop: int) -> Columns | None:
    """Take apart the whole lines between two offsets; None where all are blank.

    Raises:
        TrecFormatError: a line has not six columns, or its score is not a finite number.
    """
    # The bytes behind the block let a window of that width start at any field, the last one too.
    block = np.frombuffer(text.data[start:stop] + bytes(_WIDE), np.uint8)
    fields = _regular_fields(block[:-_WIDE])
    if fields is None:
        return _line_by_line(text, start, stop, block)
    starts, ends = fields
    first, last = starts[:, DOCUMENT], ends[:, DOCUMENT]
    scores = _scores(text, start, block, starts[:, SCORE], ends[:, SCORE])
    stretches = _stretches(block, starts[:, QUERY], ends[:, QUERY])
    return Columns(first + start, last + start, scores, _keys(block, first, last), stretches)


def _regular_fields(block: Bytes) -> tuple[Offsets, Offsets] | None:
    """Where the fields start and end, each of shape (lines, 6); None unless every line is regular."""
    ends = np.flatnonzero(block <= _SPACE)  # with every control character, so that none is taken for part of a field
    if ends.size % 6:
        return None
    grid = ends.reshape(-1, 6)
    separators = block[grid]
    separator = separators[0, 0]
    if separator not in (_SPACE, _TAB) or (separators[:, :5] != separator).any() or (separators[:, 5] != _NEWLINE).any():
        return None
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    return None if (starts == ends).any() else (starts.reshape(-1, 6), grid)


def _words(block: Bytes, starts: Offsets, ends: Offsets) -> Keys:
    """The fields, each at most `_WIDE` bytes long, as rows of 8-byte words, filled up with zeros to a common width."""
    lengths = ends - starts
    width = int(lengths.max()) + 7 & ~7
    # A window at every byte, as one opaque value each: taking those is several times faster than taking rows of bytes.
    windows = np.ndarray((len(block) - width,), f"V{width}", block, strides=(1,))
    words: Keys = windows[starts].view(np.uint64).reshape(len(starts), -1)
    words &= _MASKS[:, : width // 8].take(lengths, axis=0)
    return words


def _scores(text: Text, origin: int, block: Bytes, starts: Offsets, ends: Offsets) -> Doubles:
    if (ends - starts).max() <= _WIDE:
        words = _words(block, starts, ends)
        try:
            # Goes through Python's own parser, so that every double is the one that `float` gives.
            values = words.view(f"S{words.shape[1] * 8}").ravel().astype(np.float64)
        except ValueError:
            pass  # some score is no number; the loop below names its line
        else:
            if np.isfinite(values).all() and ord("_") not in words.view(np.uint8):
                return values
    spans = zip((starts + origin).tolist(), (ends + origin).tolist(), strict=True)
    return np.array([_score(text, start, text.data[start:end]) for start, end in spans])


def _score(text: Text, offset: int, field: bytes) -> float:
    try:
        value = math.nan if b"_" in field else float(field)  # float takes 1_000 for a number; no other reader does
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise text.error(offset, f"the score {field.decode()!r} is not a finite number.")
    return value


def _stretches(block: Bytes, starts: Offsets, ends: Offsets) -> list[Stretch]:
    if (ends - starts).max() <= _WIDE:
        words = _words(block, starts, ends)
        changes = (words[1:] != words[:-1]).any(axis=1)
    else:
        names = [block[s:e].tobytes() for s, e in zip(starts.tolist(), ends.tolist(), strict=True)]
        changes = np.array([a != b for a, b in pairwise(names)], dtype=bool)
    bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), len(starts)]
    return [Stretch(block[starts[a] : ends[a]].tobytes(), b - a) for a, b in pairwise(bounds)]


def _keys(block: Bytes, starts: Offsets, ends: Offsets) -> Keys:
    # Only the end of a long id counts: whoever finds equal keys compares the ids themselves.
    words = _words(block, np.maximum(starts, ends - _WIDE), ends)
    keys: Keys = (words * _ODD[: words.shape[1]]).sum(axis=1)
    return keys


def _line_by_line(text: Text, start: int, stop: int, block: Bytes) -> Columns | None:
    rows, origin = [], start
    while start < stop:
        end = text.data.index(b"\n", start)
        line = text.data[start:end]
        if line.strip():
            rows.append(_row(text, start, line))
        start = end + 1
    if not rows:
        return None
    names, starts, ends, scores = zip(*rows, strict=True)
    first, last = np.array(starts), np.array(ends)
    keys = _keys(block, first - origin, last - origin)
    return Columns(first, last, np.array(scores), keys, [Stretch(name, 1) for name in names])


def _row(text: Text, offset: int, line: bytes) -> tuple[bytes, int, int, float]:
    """The query id, the span of the document id and the score of one line."""
    tabs = b"\t" in line
    fields = [f.strip() for f in line.split(b"\t")] if tabs else _spaced_fields(line)
    if len(fields) != 6 or not all(fields):
        found = f"{len(fields)} columns between tabs" if tabs else f"{len(line.split())} columns"
        hint = "Where a line holds a tab, tabs alone separate its columns, and none may be empty." if tabs else ""
        raise text.error(offset, f"expected 6 columns (query Q0 document rank score tag), found {found}.", hint=hint)
    query, _, document, rank, score, _ = fields
    if not tabs and len(document.split()) > 1 and not _INTEGER.fullmatch(rank):
        raise text.error(
            offset,
            f"found {len(line.split())} columns, expected 6; with the document id {document.decode()!r} its rank "
            f"would be {rank.decode()!r}, which is no integer.",
            hint="A document id may hold spaces, a query id or a tag may not.",
        )
    # Nothing but white space stands between two fields, so the first place where the field is found is its own.
    position = line.index(fields[1], line.index(query) + len(query)) + len(fields[1])
    first = offset + line.index(document, position)
    return query, first, first + len(document), _score(text, offset, score)


def _spaced_fields(line: bytes) -> list[bytes]:
    left = line.split(None, 2)
    return left if len(left) < 3 else [*left[:2], *left[2].rsplit(None, 3)]

"""Reading relevance judgements. Knows no run."""

from __future__ import annotations

import os
import re

from rerankbench.errors import TrecFormatError
from rerankbench.records import Qrels
from rerankbench.trec.text import Text, load

_BEIR_HEADER = b"query-id\tcorpus-id\tscore"
_GRADE = re.compile(rb"[+-]?[0-9]+")


def read_qrels(path: str | os.PathLike[str]) -> Qrels:
    """Read judgements in TREC's form, or in BEIR's (tabs, and the header ``query-id corpus-id score``).

    Queries and documents keep the order of their first lines. A pair that stands in the file twice is refused even where
    both grades are equal: trec_eval does so too, and it tells of a file that was joined or edited.

    Raises:
        MissingData: there is no such file.
        TrecFormatError: the file is empty or not UTF-8, a line has not its columns, a grade is no integer, or a pair is
            judged twice.
    """
    text = load(path)
    qrels: dict[str, dict[str, int]] = {}
    places: dict[tuple[str, str], int] = {}
    offset, beir = 0, False
    for line in text.data.split(b"\n"):
        if offset == 0 and line.strip() == _BEIR_HEADER:
            beir = True
        elif line.strip():
            query, document, grade = _judgement(text, offset, line, beir=beir)
            grades = qrels.setdefault(query, {})
            first = places.setdefault((query, document), offset)
            if first != offset:
                raise _judged_twice(text, (first, offset), (query, document), (grades[document], grade))
            grades[document] = grade
        offset += len(line) + 1
    if not qrels:
        raise text.error(0, "the file has a header, but no judgement.")
    return qrels


def _judgement(text: Text, offset: int, line: bytes, *, beir: bool) -> tuple[str, str, int]:
    fields = [f.strip() for f in line.split(b"\t")] if beir or b"\t" in line else _spaced_fields(line)
    if len(fields) != (3 if beir else 4) or not all(fields):
        expected = "3 columns between tabs (query document grade)" if beir else "4 columns (query 0 document grade)"
        hint = "" if beir else "Three columns are read only after BEIR's header line: query-id, corpus-id, score, between tabs."
        raise text.error(offset, f"expected {expected}, found {len(fields)}.", hint=hint)
    query, document, grade = fields[0], fields[-2], fields[-1]
    if not _GRADE.fullmatch(grade):
        raise text.error(offset, f"the grade {grade.decode()!r} is no integer.")
    return query.decode(), document.decode(), int(grade)


def _spaced_fields(line: bytes) -> list[bytes]:
    left = line.split(None, 2)
    return left if len(left) < 3 else [*left[:2], *left[2].rsplit(None, 1)]


def _judged_twice(text: Text, offsets: tuple[int, int], pair: tuple[str, str], grades: tuple[int, int]) -> TrecFormatError:
    first, again = (text.line(offset) for offset in offsets)
    problem = f"document {pair[1]!r} of query {pair[0]!r} is judged {grades[1]} here and {grades[0]} on line {first}."
    return TrecFormatError(text.name, again, problem, hint="Keep one of the two lines.")

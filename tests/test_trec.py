"""Run and qrels files: what is read, what is refused, what is written, and the order of equal scores."""

from __future__ import annotations

import gzip
import io
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankbench.errors import DataError, MissingData, TrecFormatError
from rerankbench.records import Ranking
from rerankbench.trec import Run, read_qrels, read_run, text, trec_order, write_run
from rerankbench.trec.text import as_text

REGULAR = b"q1 Q0 a 1 3.5 t\nq1 Q0 b 2 2.5 t\nq2 Q0 a 1 1.0 t\n"


def run_of(data: bytes) -> Run:
    return Run.from_text(as_text("mem", data))


def content(run: Run) -> dict[str, dict[str, float]]:
    return {q: dict(zip(run.ranking(q), run.scores(q), strict=True)) for q in run.query_ids}


REGULAR_CONTENT = {"q1": {"a": 3.5, "b": 2.5}, "q2": {"a": 1.0}}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(REGULAR, id="plain"),
        pytest.param(REGULAR.replace(b" ", b"\t"), id="tabs"),
        pytest.param(REGULAR.replace(b"\n", b"\r\n"), id="Windows line ends"),
        pytest.param(REGULAR[:-1], id="no last line end"),
        pytest.param(b"\xef\xbb\xbf" + REGULAR, id="byte order mark"),
        pytest.param(b"\n" + REGULAR.replace(b"\n", b"\n \t\n\n"), id="blank lines"),
        pytest.param(REGULAR.replace(b" ", b"   "), id="several spaces"),
        pytest.param(b"  " + REGULAR.replace(b"\n", b" \n  "), id="spaces around lines"),
        pytest.param(b"q1 Q0 a 1 3.5 t\nq2 Q0 a 1 1.0 t\nq1 Q0 b 2 2.5 t\n", id="a query in two places"),
        pytest.param(REGULAR.replace(b"q2", b"q2\tQ0\ta\t1\t1.0\tt\nq3").replace(b"q3 Q0 a 1 1.0 t\n", b""), id="tabs on one line"),
    ],
)
def test_a_run_reads_the_same_in_every_tolerated_form(data: bytes) -> None:
    assert content(run_of(data)) == REGULAR_CONTENT


def test_gzip_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    packed, plain = tmp_path / "a.run", tmp_path / "b.gz"
    packed.write_bytes(gzip.compress(REGULAR))
    plain.write_bytes(REGULAR)
    assert content(read_run(packed)) == content(read_run(str(plain))) == REGULAR_CONTENT


def test_queries_keep_the_order_of_their_first_lines_and_lines_are_counted() -> None:
    run = run_of(b"z Q0 a 1 1 t\nb Q0 a 1 1 t\nz Q0 b 1 2 t\n")
    assert run.query_ids == ("z", "b")
    assert len(run) == 3
    assert (run.depth("z"), run.depth("b")) == (2, 1)
    assert "b" in run
    assert "a" not in run


def test_the_rank_column_is_not_used() -> None:
    assert run_of(b"q Q0 low 1 0.1 t\nq Q0 high 2 0.9 t\n").ranking("q") == ("high", "low")
    assert run_of(b"q Q0 low first 0.1 t\nq Q0 high - 0.9 t\n").ranking("q") == ("high", "low")


@pytest.mark.parametrize(
    ("line", "doc_id"),
    [
        (b"q Q0 Memory Management_2_0.txt 7 0.6 t", "Memory Management_2_0.txt"),
        (b"q  Q0   a  b   c  7 0.6 t ", "a  b   c"),
        (b"q\tQ0\ta b\t7\t0.6\tt", "a b"),
        (b"q\tQ0\t7 8 9\t7\t0.6\tmy tag", "7 8 9"),
        ("q Q0 a\u00a0b 7 0.6 t".encode(), "a\u00a0b"),  # only ASCII white space separates, as for trec_eval
        ("q Q0 a\u2028b\x1cc 7 0.6 t".encode(), "a\u2028b\x1cc"),  # str.splitlines would cut this line in three
    ],
)
def test_a_document_id_may_hold_spaces(line: bytes, doc_id: str) -> None:
    assert run_of(REGULAR + line + b"\n").ranking("q") == (doc_id,)


def test_equal_scores_are_ordered_by_falling_document_id() -> None:
    # By score: x (2), then the three of 1. By bytes, falling: "é" (c3 a9) > "b" (62) > "a" (61) > "B" (42).
    run = run_of("q Q0 a 1 1 t\nq Q0 é 2 1 t\nq Q0 x 3 2 t\nq Q0 B 4 1 t\nq Q0 b 4 1.0 t\n".encode())
    assert run.ranking("q") == ("x", "é", "b", "a", "B")
    assert run.ranking("q", 3) == ("x", "é", "b")
    assert run.ranking("q", 99) == run.ranking("q")
    assert run.ranking("q", 0) == ()


def test_scores_tie_in_single_precision_but_stay_doubles() -> None:
    # 1.000000001 and 1.0 are the same float32, as are 1e300 and 2e300 (infinite) and 1e-60 and -1e-60 (zero).
    run = run_of(b"p Q0 a 1 1.000000001 t\np Q0 b 2 1.0 t\nq Q0 c 1 2e300 t\nq Q0 d 2 1e300 t\nq Q0 e 3 1e-60 t\nq Q0 f 4 -1e-60 t\n")
    assert run.ranking("p") == ("b", "a")
    assert run.scores("p") == (1.0, 1.000000001)
    assert run.ranking("q") == ("d", "c", "f", "e")


@given(
    st.lists(
        st.tuples(st.one_of(st.sampled_from([1.0, 1.000000001, 1.0000001, -0.0, 0.0, 1e300]), st.floats(-2, 2)), st.text(max_size=3)),
        unique_by=lambda pair: pair[1],
    ),
    st.one_of(st.none(), st.integers(0, 5)),
)
def test_the_order_is_that_of_a_plain_sort_by_single_precision_score_and_id(pairs: list[tuple[float, str]], depth: int | None) -> None:
    def key(position: int) -> tuple[float, bytes]:
        score, doc_id = pairs[position]
        return struct.unpack("f", struct.pack("f", min(score, 3e38)))[0], doc_id.encode("utf-8", "surrogatepass")

    expected = sorted(range(len(pairs)), key=key, reverse=True)[:depth]
    scores = np.array([score for score, _ in pairs], dtype=np.float64)
    assert trec_order(scores, lambda p: key(p)[1], depth) == expected


def test_an_id_that_begins_another_one_is_the_smaller() -> None:
    assert trec_order(np.zeros(3), lambda p: [b"ab", b"a", b"abc"][p]) == [2, 0, 1]


def test_a_query_that_the_run_lacks_is_named() -> None:
    with pytest.raises(DataError, match="mem has no ranking of query 'q9'"):
        run_of(REGULAR).ranking("q9")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"q3 Q0 a 1 1.0", "4: expected 6 columns (query Q0 document rank score tag), found 5 columns"),
        (b"q3", "found 1 columns"),
        (b"q3\tQ0\ta\t1\t1.0", "found 5 columns between tabs"),
        (b"q3\t\ta b\t1\t1.0\tt", "found 6 columns between tabs"),
        (b"q3\tQ0 a 1 1.0 t", "found 2 columns between tabs"),
        (b"q3 Q0 a 1 high t", "4: the score 'high' is not a finite number"),
        (b"q3 Q0 a 1 nan t", "the score 'nan' is not a finite number"),
        (b"q3 Q0 a 1 -inf t", "the score '-inf' is not a finite number"),
        (b"q3 Q0 a 1 1e999 t", "the score '1e999' is not a finite number"),
        (b"q3 Q0 a 1 1_000 t", "the score '1_000' is not a finite number"),
        (b"q3 Q0 a 1 " + b"9" * 70 + b"x t", "is not a finite number"),
        (b"q3 Q0 a b 1 nan t", "the score 'nan' is not a finite number"),
        (b"q3 Q0 a b 1 high t", "the score 'high' is not a finite number"),
        (b"q3 Q0 a 1 1.0 my tag", "its rank would be '1.0', which is no integer"),
        (b"q3 Q0 a 1 1.0 2 tag", "with the document id 'a 1' its rank would be '1.0', which is no integer"),
        (b"q1 Q0 b 2 0.1 t", "4: document 'b' of query 'q1' stands already on line 2"),
        (b"q2 Q0 \xff 2 0.1 t", "4: byte 0xff is not UTF-8"),
        (b"q2 Q0 a\0b 2 0.1 t", "4: the line holds a zero byte"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.run"
    path.write_bytes(REGULAR + line + b"\n")
    with pytest.raises(TrecFormatError) as caught:
        read_run(path)
    assert caught.value.line == 4
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    with pytest.raises(TrecFormatError, match="the file is empty"):
        run_of(data)


def test_damaged_gzip_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(REGULAR)[:-9])
    with pytest.raises(TrecFormatError, match="gzip data is damaged"):
        read_run(path)
    with pytest.raises(MissingData, match="There is no file"):
        read_qrels(tmp_path / "none")
    with pytest.raises(DataError, match="cannot be read"):
        read_run(tmp_path)


def test_a_document_may_occur_in_two_queries_but_not_twice_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK", 64)  # the two lines lie in different blocks, and the query in two places
    lines = [b"q%d Q0 d%d 1 %d t\n" % (n // 50 % 2, n % 50 + n // 100 * 50, n) for n in range(200)]
    assert len(run_of(b"".join(lines))) == 200
    lines[180] = b"q1 Q0 d%d 1 1 t\n" % 7  # line 58 is q1's d7
    with pytest.raises(TrecFormatError, match=r"^mem:181: document 'd7' of query 'q1' stands already on line 58\.$"):
        run_of(b"".join(lines))


def test_long_ids_that_differ_only_at_their_front_are_different() -> None:
    # Keys look at the last 64 bytes alone; the ids themselves decide.
    tail = b"/very-long" * 10
    run = run_of(b"q Q0 a%s 1 2 t\nq Q0 b%s 2 1 t\nqq%s Q0 b%s 2 1 t\n" % (tail, tail, tail, tail))
    assert run.ranking("q") == (f"a{tail.decode()}", f"b{tail.decode()}")
    assert run.query_ids == ("q", f"qq{tail.decode()}")


def naive(data: str) -> dict[str, dict[str, float]]:
    """A parser of regular lines that shares nothing with ours."""
    run: dict[str, dict[str, float]] = {}
    for line in data.split("\n"):
        if line:
            query, _, *doc_id, _, score, _ = line.split(" ")
            run.setdefault(query, {})[" ".join(doc_id)] = float(score)
    return run


WORD = st.text(st.characters(exclude_characters="\t\n\v\f\r \0\ufeff", exclude_categories=["Cs"]), min_size=1, max_size=12)
ID = st.lists(WORD, min_size=1, max_size=3).map(" ".join)
SCORE = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(min_value=-1000, max_value=1000, places=6).map(str),
    st.integers(-(10**20), 10**20).map(str),
    st.from_regex(r"\A[+-]?[0-9]{1,30}\.[0-9]{0,30}(e[+-]?[0-9]{1,2})?\Z"),
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(WORD, ID, SCORE), min_size=1, max_size=30, unique_by=lambda row: row[:2]),
    block=st.integers(1, 400),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_no_line_is_lost_and_every_score_is_the_double_that_python_reads(rows: list[tuple[str, str, str]], block: int, ends: str) -> None:
    data = "".join(f"{query} Q0 {doc_id} 1 {score} t\n" for query, doc_id, score in rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK", block)
        run = run_of(data.replace("\n", ends).encode())
    assert len(run) == len(rows)
    assert content(run) == naive(data)


def test_a_large_regular_file_reads_as_the_naive_parser_reads_it() -> None:
    generator = random.Random(3)
    lines = [f"{q} Q0 doc-{d} 1 {generator.gauss(0, 1) * 10 ** generator.randint(-8, 8)!r} t\n" for q in range(200) for d in range(200)]
    generator.shuffle(lines)
    data = "".join(lines)
    assert len(data) > text.BLOCK
    assert content(run_of(data.encode())) == naive(data)


RANKINGS = st.lists(
    st.builds(Ranking, WORD, st.lists(ID, min_size=1, max_size=12, unique=True).map(tuple)),
    min_size=1,
    max_size=6,
    unique_by=lambda ranking: ranking.query_id,
)


@settings(max_examples=150, deadline=None)
@given(rankings=RANKINGS, tag=WORD)
def test_what_is_written_is_read_back_in_the_same_order(rankings: list[Ranking], tag: str) -> None:
    file = io.BytesIO()
    write_run(file, rankings, tag)
    run = run_of(file.getvalue())
    assert [(q, run.ranking(q)) for q in run.query_ids] == [(r.query_id, r.doc_ids) for r in rankings]


def test_written_scores_fall_strictly_whatever_the_native_ones_are(tmp_path: Path) -> None:
    path = tmp_path / "out.run"
    write_run(path, [Ranking("q2", ("b", "a c", "d"), (0.5, 0.5, 0.5)), Ranking("q1", ("x",))], tag="mine")
    assert path.read_bytes() == b"q2 Q0 b 1 3 mine\nq2 Q0 a c 2 2 mine\nq2 Q0 d 3 1 mine\nq1 Q0 x 1 1 mine\n"


def test_a_run_can_be_made_of_rankings() -> None:
    run = Run.of([Ranking("q", ("b", "a"), (0.1, 0.1))])
    assert run.ranking("q") == ("b", "a")
    assert run.scores("q") == (2.0, 1.0)


@pytest.mark.parametrize(
    ("ranking", "tag", "problem"),
    [
        (Ranking("q 1", ("a",)), "t", "query id 'q 1'"),
        (Ranking("", ("a",)), "t", "query id ''"),
        (Ranking("\ufeffq", ("a",)), "t", "byte order mark"),
        (Ranking("q", ("",)), "t", "document id ''"),
        (Ranking("q", ("a\tb",)), "t", r"it holds '\\t'"),
        (Ranking("q", ("a\nb",)), "t", r"it holds '\\n'"),
        (Ranking("q", ("a ",)), "t", "begins or ends with a space"),
        (Ranking("q", ("\ud800",)), "t", "surrogates not allowed"),
        (Ranking("q", ("a", "b", "a")), "t", "has a document more than once"),
        (Ranking("q", ("a",)), "my tag", "tag 'my tag'"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(ranking: Ranking, tag: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        write_run(io.BytesIO(), [ranking], tag)


def test_a_query_is_written_once() -> None:
    with pytest.raises(DataError, match="Query 'q' occurs in a second ranking"):
        write_run(io.BytesIO(), [Ranking("q", ("a",)), Ranking("p", ("a",)), Ranking("q", ("b",))], "t")


@pytest.mark.parametrize(
    "data",
    [
        b"q1 0 a 2\nq1 Q0 b c -1\nq2 0 a 0\n",
        b"q1\t0\ta\t2\nq1\t0\tb c\t-1\nq2\t0\ta\t0",
        b"\xef\xbb\xbfq1  0 a   2\r\n\r\nq1 0 b c -1\r\nq2 x a 0\r\n",
        b"query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb c\t-1\nq2\ta\t0\n",
        b"q1 0 a 2\nq2 0 a 0\nq1 0 b c -1\n",
    ],
)
def test_qrels_read_the_same_in_every_tolerated_form(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "qrels"
    path.write_bytes(data)
    assert read_qrels(path) == {"q1": {"a": 2, "b c": -1}, "q2": {"a": 0}}
    path.write_bytes(gzip.compress(data))
    assert read_qrels(path) == {"q1": {"a": 2, "b c": -1}, "q2": {"a": 0}}


@pytest.mark.parametrize(
    ("data", "line", "problem"),
    [
        (b"q 0 a 1\nq a 1\n", 2, r"expected 4 columns \(query 0 document grade\), found 3"),
        (b"q\ta\t1\n", 1, "BEIR's header"),
        (b"query-id\tcorpus-id\tscore\nq\t0\ta\t1\n", 2, r"expected 3 columns between tabs .*, found 4"),
        (b"query-id\tcorpus-id\tscore\n", 1, "no judgement"),
        (b"q 0 a 1.0\n", 1, "the grade '1.0' is no integer"),
        (b"q 0 a 1_0\n", 1, "the grade '1_0' is no integer"),
        (b"q 0 a 1\n\nq 0 b 1\nq 0 a 2\n", 4, "document 'a' of query 'q' is judged 2 here and 1 on line 1"),
        (b"q 0 a 1\nq 0 a 1\n", 2, "is judged 1 here and 1 on line 1"),
        (b"\n", 0, "the file is empty"),
        (b"q 0 a 1\nq 0 \xe9 1\n", 2, "0xe9 is not UTF-8"),
    ],
)
def test_a_judgement_that_cannot_be_read_is_named(data: bytes, line: int, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.qrels"
    path.write_bytes(data)
    with pytest.raises(TrecFormatError, match=problem) as caught:
        read_qrels(path)
    assert caught.value.line == line

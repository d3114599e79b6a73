"""Names, escapes, phases, budgets and the folder: the parts of the site, each for itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.errors import MissingExtra, StoreError
from rerankbench.records import Document, Span
from rerankbench.site import plot
from rerankbench.site.documents import LONGEST_TEXT, DocumentFiles
from rerankbench.site.folder import Writer, replaced
from rerankbench.site.list_pages import cutoff
from rerankbench.site.names import Names, portable
from rerankbench.site.phases import phases
from rerankbench.site.scripts import as_script, provided

ANY = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = ANY | st.integers(-(2**53), 2**53) | st.none() | st.booleans()
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(ANY, inner))


@given(JSON)
def test_data_in_scripts_comes_out_as_it_went_in_and_holds_nothing_that_a_page_could_take_for_markup(value: object) -> None:
    text = as_script(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029\n\r]", text)


def test_a_data_file_is_one_call_with_its_own_name() -> None:
    assert provided("a/b.js", ["</script>"]) == 'rerankbench.provide("a/b.js",["\\u003c/script\\u003e"]);\n'


@given(st.lists(ANY, unique=True, max_size=12))
def test_file_names_are_safe_and_differ_on_any_file_system(texts: list[str]) -> None:
    names = Names()
    given_out = [names.of(text) for text in texts]
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,79}", name) for name in given_out)
    assert len({name.casefold() for name in given_out}) == len(texts)


def test_a_safe_name_stays_and_one_that_is_taken_gets_a_hash() -> None:
    names = Names()
    assert names.of("264014") == "264014"
    assert re.fullmatch("264014-[0-9a-f]{8}", names.of("264014"))
    assert re.fullmatch("a_b-[0-9a-f]{8}", names.of("a/b"))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("There is no run file /somewhere/data/runs/x.txt.", "There is no run file …/x.txt."),
        ("/home/someone/models/MiniLM", "…/MiniLM"),
        ("see https://host.example/a/b and topics_and_qrels/qrels.txt", "see https://host.example/a/b and topics_and_qrels/qrels.txt"),
        ("hf download Alibaba-NLP/E2Rank-8B", "hf download Alibaba-NLP/E2Rank-8B"),
        ("'/elsewhere/a/b' and (/elsewhere/c/d)", "'…/b' and (…/d)"),
        ("and/or, 1/2, /", "and/or, 1/2, /"),
    ],
)
def test_absolute_paths_are_cut_down_to_their_last_part(said: str, shown: str) -> None:
    assert portable(said) == shown


def test_phases_leave_warm_ups_out_and_say_how_many_queries_share_a_span() -> None:
    queries = tuple("abcd")
    spans = [
        Span("encode", 0.0, 9.0, queries, warmup=True),
        Span("encode", 1.0, 1.0, queries),
        Span("encode", 2.0, 3.0, queries[:2]),
        Span("rank", 0.0, 2.0, queries),
        Span("rank", 2.0, 6.0, queries[:2]),
    ]
    whole, encode = phases(spans)
    assert (whole.name, whole.spans, whole.total, whole.share) == ("rank", 2, 8.0, None)
    assert (encode.spans, encode.warmups, encode.queries, encode.mean, encode.total) == (2, 1, "2–4", 2.0, 4.0)
    assert encode.share == 0.5  # 4 of 8 seconds
    assert encode.p50 == 2.0  # halfway between 1 and 3
    assert encode.p90 == pytest.approx(2.8)  # nine tenths of the way


def test_a_run_without_spans_has_no_phases() -> None:
    assert phases([]) == []


@pytest.mark.parametrize(("measure", "rank"), [("nDCG@10", 10), ("R(rel=2)@100", 100), ("AP", 0)])
def test_the_rank_that_a_measure_looks_down_to(measure: str, rank: int) -> None:
    assert cutoff(measure) == rank


def test_texts_are_cut_where_they_are_longer_than_a_page_can_carry_and_the_cut_is_counted(tmp_path: Path) -> None:
    store = DocumentFiles(Writer(tmp_path), "documents")
    assert store.place(Document("d", "x" * (LONGEST_TEXT + 5))) == (0, 0)
    assert store.place(Document("e", None)) is None
    store.close()
    written = (tmp_path / "documents" / "0.js").read_text(encoding="utf-8")
    assert written.endswith('x",5]]);\n')


def test_a_text_that_two_lists_have_under_one_id_is_stored_once_and_another_one_beside_it(tmp_path: Path) -> None:
    store = DocumentFiles(Writer(tmp_path), "documents")
    places = [store.place(Document("d", text)) for text in ("one", "one", "two")]
    assert places == [(0, 0), (0, 0), (0, 1)]


def test_an_excerpt_is_one_short_line(tmp_path: Path) -> None:
    store = DocumentFiles(Writer(tmp_path), "documents")
    assert store.excerpt(Document("d", "a\n b", title="T")) == "T a b"
    assert len(store.excerpt(Document("d", "word " * 100))) == 160
    assert store.excerpt(Document("d", None)) == ""


def test_a_site_takes_the_place_of_the_one_before_and_nothing_of_that_stays(tmp_path: Path) -> None:
    out = tmp_path / "site"
    for name in ("old.html", "new.html"):
        with replaced(out) as writer:
            writer.write(name, "x")
            (writer.root / "site.json").write_text('{"made_by": "rerankbench site"}', encoding="utf-8")
    assert {path.name for path in out.iterdir()} == {"new.html", "site.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_stop_leaves_the_site_before_and_no_half_written_one(tmp_path: Path) -> None:
    out = tmp_path / "site"
    with replaced(out) as writer:
        writer.write("old.html", "x")

    def stopped() -> None:
        with replaced(out) as writer:
            writer.write("new.html", "x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert (out / "old.html").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_killed_build_is_cleared_away_by_the_next_one(tmp_path: Path) -> None:
    aside = tmp_path / ".site.building"
    aside.mkdir()
    (aside / "site.json").write_text('{"made_by": "rerankbench site", "state": "being built"}', encoding="utf-8")
    (aside / "half.html").write_text("x", encoding="utf-8")
    with replaced(tmp_path / "site") as writer:
        writer.write("whole.html", "x")
    assert not (tmp_path / "site" / "half.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("name", ["site", ".site.building", ".site.replaced"])
def test_a_folder_that_is_no_site_is_never_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(StoreError, match="is no site of rerankbench"), replaced(tmp_path / "site"):
        pytest.fail("was built")
    assert (tmp_path / name / "thesis.tex").read_text(encoding="utf-8") == "x"


def test_a_file_in_the_sites_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("x", encoding="utf-8")
    with pytest.raises(StoreError, match="is a file"), replaced(tmp_path / "site"):
        pytest.fail("was built")


def test_an_empty_folder_may_become_a_site(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    with replaced(tmp_path / "site") as writer:
        writer.write("index.html", "x")
    assert (tmp_path / "site" / "index.html").is_file()


def test_two_pages_in_one_place_are_an_error(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.write("a.html", "1")
    with pytest.raises(StoreError, match=re.escape("claim the place a.html")):
        writer.write("a.html", "2")


def test_without_the_library_of_plots_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "vl_convert", None)
    plot.libraries.cache_clear()
    with pytest.raises(MissingExtra) as caught:
        plot.libraries()
    assert caught.value.hint == "pip install 'rerankbench[site]'"

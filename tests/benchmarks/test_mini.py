"""The embedded benchmark: its files fit together, every special case is there, and its lists are those of BM25."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

import pytest

from rerankbench.benchmarks import Benchmarks
from rerankbench.benchmarks.mini.build import DEPTH, HERE, LISTS, STOP_WORDS, Bm25, Match, build, pairs, tokens

Record = dict[str, Any]


def lines_of(place: str) -> list[str]:
    text = (HERE / place).read_bytes().decode("utf-8")
    assert text.endswith("\n")
    return text[:-1].split("\n")


CORPUS: dict[str, Record] = {r["_id"]: r for r in map(json.loads, lines_of("beir/mini/corpus.jsonl"))}
QUERIES: dict[str, str] = {r["_id"]: r["text"] for r in map(json.loads, lines_of("beir/mini/queries.jsonl"))}
JUDGEMENTS = [line.split("\t") for line in lines_of("topics_and_qrels/qrels.mini.txt")]
CANDIDATES: dict[str, list[Record]] = {str(r["hits"][0]["qid"]): r["hits"] for r in map(json.loads, lines_of(LISTS))}


def grades() -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for query_id, _, doc_id, grade in JUDGEMENTS:
        qrels.setdefault(query_id, {})[doc_id] = int(grade)
    return qrels


QRELS = grades()


def content(doc_id: str) -> str:
    doc = CORPUS[doc_id]
    return f"{doc['title']} {doc['text']}" if doc["title"] else str(doc["text"])


def rank_of(query_id: str, doc_id: str) -> int:
    return [hit["docid"] for hit in CANDIDATES[query_id]].index(doc_id) + 1


# --- the files fit together ---


def test_the_committed_files_are_those_that_build_makes() -> None:
    for place, made in build().items():
        assert (HERE / place).read_bytes() == made.encode("utf-8"), f"run python -m rerankbench.benchmarks.mini.build: {place} is stale"


def test_ids_are_unique_and_the_counts_are_those_of_the_readme() -> None:
    assert len(lines_of("beir/mini/corpus.jsonl")) == len(CORPUS) == 338
    assert len(lines_of("beir/mini/queries.jsonl")) == len(QUERIES) == len(lines_of(LISTS)) == len(CANDIDATES) == 28
    assert not CORPUS.keys() & QUERIES.keys()
    assert len({(query_id, doc_id) for query_id, _, doc_id, _ in JUDGEMENTS}) == len(JUDGEMENTS) == 331


def test_every_judgement_names_a_query_a_document_and_a_grade() -> None:
    for query_id, zero, doc_id, grade in JUDGEMENTS:
        assert query_id in QUERIES
        assert zero == "0"
        assert doc_id in CORPUS
        assert grade in {"0", "1", "2", "3"}


def test_every_judged_query_has_eight_judgements_of_three_grades_and_a_perfect_answer() -> None:
    assert len(QRELS) == 27
    for query_id, judged in QRELS.items():
        assert len(judged) >= 8, query_id
        assert len(set(judged.values())) >= 3, query_id
        assert 3 in judged.values(), query_id


def test_topics_hold_the_queries_in_order() -> None:
    assert lines_of("topics_and_qrels/topics.mini.tsv") == [f"{query_id}\t{text}" for query_id, text in QUERIES.items()]


def test_records_have_the_form_of_the_published_lists() -> None:
    for line, (query_id, text) in zip(lines_of(LISTS), QUERIES.items(), strict=True):
        record = json.loads(line)
        assert list(record) == ["query", "hits"]
        assert record["query"] == text
        for rank, hit in enumerate(record["hits"], start=1):
            assert list(hit) == ["content", "qid", "docid", "rank", "score"]
            assert hit["qid"] == (int(query_id) if query_id.isdecimal() else query_id)
            assert hit["rank"] == rank
            assert hit["content"] == content(hit["docid"])
            assert hit["score"] > 0
            assert round(hit["score"], 6) == hit["score"]


def test_lists_are_deep_but_for_one_and_their_scores_never_rise() -> None:
    for query_id, hits in CANDIDATES.items():
        assert len({hit["docid"] for hit in hits}) == len(hits)
        assert 30 <= len(hits) <= DEPTH or query_id == "ja-1"
        scores = [hit["score"] for hit in hits]
        assert scores == sorted(scores, reverse=True)


def test_equal_scores_are_in_the_order_of_the_corpus() -> None:
    position = {doc_id: p for p, doc_id in enumerate(CORPUS)}
    ties = [(a, b) for hits in CANDIDATES.values() for a, b in pairwise(hits) if a["score"] == b["score"]]
    assert ties
    assert all(position[a["docid"]] < position[b["docid"]] for a, b in ties)


def test_most_documents_have_thirty_to_eighty_words() -> None:
    lengths = [len(content(doc_id).split()) for doc_id in CORPUS]
    assert sum(30 <= n <= 80 for n in lengths) / len(lengths) > 0.9


def test_the_harness_serves_it_from_the_package() -> None:
    benchmark = Benchmarks(None).open("mini")
    assert [(q.id, q.text) for q in benchmark.queries()] == list(QUERIES.items())
    assert benchmark.qrels() == QRELS
    for served in benchmark.candidates("bm25", DEPTH):
        hits = CANDIDATES[served.query.id]
        assert [d.id for d in served.documents] == [hit["docid"] for hit in hits]
        assert [d.contents for d in served.documents] == [hit["content"] for hit in hits]
        assert list(served.scores) == [hit["score"] for hit in hits]


# --- the special cases ---


def test_a_relevant_document_has_a_space_in_its_id_and_is_a_candidate() -> None:
    assert [doc_id for doc_id in CORPUS if " " in doc_id] == ["cats 12"]
    assert QRELS["22"]["cats 12"] == 2
    assert rank_of("22", "cats 12") <= 20


def test_the_same_text_under_two_ids_has_one_grade_and_one_score() -> None:
    assert content("slug-11") == content("slug-12")
    assert QRELS["11"]["slug-11"] == QRELS["11"]["slug-12"] == 2
    first, second = CANDIDATES["11"][7:9]  # ranks 8 and 9
    assert {first["docid"], second["docid"]} == {"slug-11", "slug-12"}
    assert first["score"] == second["score"]


def test_one_query_is_not_judged() -> None:
    assert set(QUERIES) - set(QRELS) == {"bridge"}
    assert len(CANDIDATES["bridge"]) == 50


def test_one_list_is_shorter_than_a_window() -> None:
    assert {query_id: len(hits) for query_id, hits in CANDIDATES.items() if len(hits) < 20} == {"ja-1": 12}


def test_some_relevant_documents_are_out_of_the_first_stages_reach() -> None:
    missed = {d for q, judged in QRELS.items() for d, g in judged.items() if g > 0 and d not in {hit["docid"] for hit in CANDIDATES[q]}}
    assert missed == {"ja-13", "git-10", "fever-06", "fever-08"}


def test_query_ids_need_not_be_numbers() -> None:
    assert {query_id for query_id in QUERIES if not query_id.isdecimal()} == {"law/7", "greek-1", "ja-1", "bridge"}


def test_one_candidate_has_no_content_at_all() -> None:
    assert [doc_id for doc_id in CORPUS if not content(doc_id)] == ["pressure-11"]
    assert [doc_id for doc_id, doc in CORPUS.items() if "keywords" in doc] == ["pressure-11"]
    assert CANDIDATES["17"][rank_of("17", "pressure-11") - 1]["content"] == ""
    assert QRELS["17"]["pressure-11"] == 0


def test_one_candidate_has_a_title_and_no_text() -> None:
    assert [d for d, doc in CORPUS.items() if doc["title"] and not doc["text"]] == ["pressure-10"]
    assert CANDIDATES["17"][rank_of("17", "pressure-10") - 1]["content"] == "How can I lower high blood pressure? "
    assert any(doc["text"] and not doc["title"] for doc in CORPUS.values())


def test_one_candidate_is_longer_than_the_word_limit_and_answers_before_it() -> None:
    words = content("tomato-13").split()
    assert len(words) > 1200
    assert "yellow leaves" in " ".join(words[:1024])
    assert "\n\n" in content("tomato-13")
    assert rank_of("10", "tomato-13") <= 20


def test_one_candidate_tries_to_command_the_reranker() -> None:
    text = CORPUS["flight-09"]["text"]
    assert "[3] > [1] > [2]" in text
    assert "ignore the passages above" in text.lower()
    assert QRELS["9"]["flight-09"] == 0
    assert rank_of("9", "flight-09") <= 20


def test_one_candidate_holds_the_characters_that_html_and_latex_read() -> None:
    text = CORPUS["password-03"]["text"]
    assert all(special in text for special in ("<b>", "</b>", "&", "&lt;", "%", "_", "$", "\\", "{", "}", "#", "~", "^"))
    assert rank_of("16", "password-03") <= 20


def test_one_candidate_breaks_readers_that_split_at_every_line_end_of_unicode() -> None:
    text = CORPUS["bridge-07"]["text"]
    assert {"\n", "\t", "\u2028"} <= set(text)
    raw = (HERE / LISTS).read_text(encoding="utf-8")
    assert len(raw.splitlines()) > len(lines_of(LISTS))


@pytest.mark.parametrize(
    ("script", "query_id", "doc_id"),
    [
        ("HIRAGANA", "ja-1", "ja-03"),
        ("GREEK", "greek-1", "greek-03"),
        ("CYRILLIC", "20", "deadsea-03"),
        ("ARABIC", "20", "deadsea-04"),
    ],
)
def test_other_scripts_are_judged_relevant_and_found(script: str, query_id: str, doc_id: str) -> None:
    assert any(script in unicodedata.name(c, "") for c in content(doc_id))
    assert QRELS[query_id][doc_id] == 3
    assert rank_of(query_id, doc_id) <= 20


def test_queries_hold_other_scripts() -> None:
    assert any("GREEK" in unicodedata.name(c) for c in QUERIES["greek-1"])
    assert " " not in QUERIES["ja-1"]


def test_candidates_hold_combining_characters_and_joined_emoji() -> None:
    decomposed = CANDIDATES["greek-1"][rank_of("greek-1", "greek-12") - 1]["content"]
    assert any(unicodedata.combining(c) for c in decomposed)
    assert unicodedata.normalize("NFC", decomposed) != decomposed
    emoji = CANDIDATES["22"][rank_of("22", "cats-11") - 1]["content"]
    assert "\U0001f469\u200d\U0001f469" in emoji  # two women, joined
    assert "\U0001f1ef\U0001f1f5" in emoji  # a flag is two characters


def test_the_readme_names_every_special_document() -> None:
    named = set(re.findall(r"`([a-z]+[- ]\d\d)`", (HERE / "README.md").read_text(encoding="utf-8")))
    assert named <= set(CORPUS)
    assert {"cats 12", "slug-11", "slug-12", "pressure-10", "pressure-11", "tomato-13", "flight-09", "password-03", "bridge-07"} <= named


# --- the first stage ---


def test_words_are_lower_cased_stripped_of_stop_words_and_composed() -> None:
    assert tokens("Why is THE sea so salty?") == ["why", "sea", "so", "salty"]
    assert tokens("snake_case 98 %") == ["snake", "case", "98"]
    assert tokens("cafe\u0301") == ["caf\u00e9"]
    assert tokens("\u0643\u0650\u062a\u0627\u0628") == ["\u0643\u0650\u062a\u0627\u0628"]  # a vowel mark does not cut the word
    assert len(STOP_WORDS) == 33


def test_japanese_is_split_into_pairs_of_characters() -> None:
    assert tokens("緑茶の湯") == ["緑茶", "茶の", "の湯"]
    assert tokens("A茶 tea") == ["茶", "tea"]
    assert pairs("茶") == ["茶"]


def test_bm25_scores_as_worked_out_by_hand() -> None:
    index = Bm25([["moon", "moon", "side"], ["side"], ["star", "sun", "sky", "sea"], ["side"]])
    # N = 4. moon is in 1 document: idf = ln(1 + 3.5 / 1.5). side is in 3: idf = ln(1 + 1.5 / 3.5). Lengths 3, 1, 4, 1; mean 9/4.
    # Norm of length 3: 0.9 (0.6 + 0.4 * 3 / 2.25) = 1.02; of length 1: 0.9 (0.6 + 0.4 / 2.25) = 0.7.
    both = log(1 + 3.5 / 1.5) * 2 / 3.02 + log(1 + 1.5 / 3.5) / 2.02
    side = log(1 + 1.5 / 3.5) / 1.7
    assert index.search(["moon", "side", "gone"], 10) == [Match(0, round(both, 6)), Match(1, round(side, 6)), Match(3, round(side, 6))]
    assert index.search(["moon", "side"], 1) == [Match(0, round(both, 6))]
    assert index.search(["side", "side"], 10)[0] == Match(1, round(2 * side, 6))  # a repeated word counts twice, as in Lucene
    assert index.search(["gone"], 10) == []


def test_the_lists_are_those_of_an_independent_bm25() -> None:
    bm25s = pytest.importorskip("bm25s")
    searched = [tokens(f"{content(doc_id)} {doc.get('keywords', '')}") for doc_id, doc in CORPUS.items()]
    index = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    index.index(searched, show_progress=False)
    for query_id, text in QUERIES.items():
        known = [word for word in tokens(text) if word in index.vocab_dict]
        scores: Mapping[str, float] = dict(zip(CORPUS, map(float, index.get_scores(known)), strict=True))
        hits = CANDIDATES[query_id]
        listed = [scores[hit["docid"]] for hit in hits]
        assert [hit["score"] for hit in hits] == pytest.approx(listed, rel=1e-3)
        # The order, up to ties in the single precision of the other one.
        assert listed == pytest.approx(sorted(scores.values(), reverse=True)[: len(hits)], rel=1e-5)
        assert len(hits) == min(DEPTH, sum(score > 0 for score in scores.values()))


def ndcg_at_10(run: Mapping[str, list[str]]) -> float:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    scored = {query_id: {doc_id: float(len(order) - p) for p, doc_id in enumerate(order)} for query_id, order in run.items()}
    measured = pytrec_eval.RelevanceEvaluator(QRELS, {"ndcg_cut.10"}).evaluate(scored)
    assert set(measured) == set(QRELS)
    return sum(float(m["ndcg_cut_10"]) for m in measured.values()) / len(measured)


def test_the_first_stage_leaves_room_for_a_reranker() -> None:
    lists = {query_id: [hit["docid"] for hit in CANDIDATES[query_id]] for query_id in QRELS}
    best = {query_id: sorted(order, key=lambda d: -QRELS[query_id].get(d, 0)) for query_id, order in lists.items()}
    assert 0.45 < ndcg_at_10(lists) < 0.65
    assert 0.9 < ndcg_at_10(best) <= 1.0


def test_its_files_come_with_the_package() -> None:
    import rerankbench

    assert Path(rerankbench.__file__).parent in HERE.parents

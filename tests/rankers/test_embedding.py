"""E2Rank: what is encoded, how it is scored, and what happens to text that is too long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rankers.fakes import END, ChatEmbedder, CountingEmbedder, HashEmbedder, Writer, candidates, parts
from rerankbench.clock import Clock
from rerankbench.errors import ConfigError, DataError, EngineError, OverLengthError
from rerankbench.protocols import Floats
from rerankbench.rankers.embedding import EmbeddingOptions, EmbeddingRanker
from rerankbench.records import CandidateList, Defect, DefectKind, Document, Query

GENERIC = "Given a web search query and some relevant documents, rerank the documents that answer the query:"


def ranker(engine: HashEmbedder, benchmark: str = "dl19", clock: Clock | None = None, **options: object) -> EmbeddingRanker:
    return EmbeddingRanker.build(EmbeddingOptions(**options), parts(engine, benchmark=benchmark, clock=clock))  # type: ignore[arg-type]


def formula(engine: HashEmbedder, one: CandidateList, profile: str, mode: str, shown: int, max_words: int) -> tuple[str, ...]:
    """The paper's order, written from PROTOCOL.md: one list, one document at a time."""
    cut = [" ".join(d.contents.split()[:max_words]) for d in one.documents]
    end = END if profile == "readme" else ""
    lines = "\n".join(f"[{i + 1}] {text}{end}" for i, text in enumerate(cut[:shown]))
    prompt = {
        "authors-code": f"{GENERIC}\nDocuments:\n{lines}\nSearch Query: {one.query.text}",
        "readme": f"{GENERIC}\nDocuments:\n{lines}Search Query:{one.query.text}",
        "dataset": "Given a query and some relevant entities, rerank the best descriptions from DBPedia:\nEntities:\n"
        f"{lines}\nSearch Query: {one.query.text}",
    }[profile]
    if mode == "query-only":
        prompt = f"Instruct: Given a query, retrieve relevant entity descriptions from DBPedia\nQuery:{one.query.text}{END}"
    query = engine.embed([prompt])[0]
    scores = np.array([np.dot(engine.embed([text + END])[0], query) for text in cut], dtype=np.float32)
    return tuple(one.documents[i].id for i in np.argsort(-scores, kind="stable"))


TEXTS = st.lists(st.text(alphabet="ab \n{}", max_size=12), max_size=9)


@settings(deadline=None)
@given(
    lists=st.lists(st.tuples(st.text(max_size=8), TEXTS), max_size=4),
    profile=st.sampled_from(["authors-code", "readme", "dataset"]),
    mode=st.sampled_from(["listwise", "query-only"]),
    shown=st.integers(1, 5),
    max_words=st.integers(1, 4),
)
def test_the_order_is_the_stable_argsort_of_the_plain_formula(
    lists: list[tuple[str, list[str]]], profile: str, mode: str, shown: int, max_words: int
) -> None:
    batch = [candidates(str(i), texts, query) for i, (query, texts) in enumerate(lists)]
    engine = HashEmbedder()
    ranked = ranker(engine, "dbpedia", profile=profile, mode=mode, documents_in_prompt=shown, max_words=max_words).rank(batch)
    expected = [formula(HashEmbedder(), one, profile, mode, shown, max_words) for one in batch]
    assert [r.ranking.doc_ids for r in ranked] == expected
    assert [r.ranking.query_id for r in ranked] == [one.query.id for one in batch]


@settings(deadline=None)
@given(rows=st.lists(st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=20))
def test_any_vectors_are_ordered_by_their_float32_dot_product_ties_as_they_came(rows: list[list[float]]) -> None:
    one = candidates("1", [f"t{i}" for i in range(len(rows))])
    known = {f"t{i}{END}": row for i, row in enumerate(rows)}
    query = np.array([0.5, -0.25, 1.0], dtype=np.float32)

    class Engine(HashEmbedder):
        def embed(self, texts: object) -> Floats:
            assert isinstance(texts, list)
            return np.stack([np.asarray(known[t], dtype=np.float32) if t in known else query for t in texts])

    (ranked,) = ranker(Engine()).rank([one])
    scores = [np.dot(np.asarray(row, dtype=np.float32), query) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (-scores[i], i))
    assert ranked.ranking.doc_ids == tuple(f"d{i}" for i in order)
    assert ranked.ranking.scores == tuple(float(scores[i]) for i in order)


def test_documents_of_equal_embeddings_keep_their_order_in_a_long_list() -> None:
    # 103 equal rows of 1,024 numbers: a matrix product gives the last of them another last bit, and would move them to the front.
    row = np.random.default_rng(3).standard_normal(1024).astype(np.float32)

    class Engine(HashEmbedder):
        def embed(self, texts: object) -> Floats:
            assert isinstance(texts, list)
            return np.tile(row / np.linalg.norm(row), (len(texts), 1))

    one = candidates("1", [f"text {i}" for i in range(103)])
    (ranked,) = ranker(Engine()).rank([one])
    assert ranked.ranking.doc_ids == tuple(d.id for d in one.documents)


def test_a_document_of_several_lists_is_encoded_once_and_all_in_one_call() -> None:
    engine = HashEmbedder()
    ranker(engine).rank([candidates("1", ["a", "b"]), candidates("2", ["b", "c  c", "a"]), candidates("3", ["c c"])])
    documents, prompts = engine.asked
    assert documents == [f"a{END}", f"b{END}", f"c c{END}"]
    assert len(prompts) == 3


def test_what_a_list_gets_does_not_depend_on_its_neighbours() -> None:
    batch = [candidates(str(i), [f"text {i} {j % 3}" for j in range(30)], f"query {i}") for i in range(5)]
    together = ranker(HashEmbedder()).rank(batch)
    alone = [ranker(HashEmbedder()).rank([one])[0] for one in batch]
    assert [r.ranking for r in together] == [r.ranking for r in alone]


def test_the_prompt_shows_the_first_documents_only_but_all_are_scored() -> None:
    engine = HashEmbedder()
    (ranked,) = ranker(engine, documents_in_prompt=2).rank([candidates("1", ["a", "b", "c"], "q")])
    assert engine.asked[1] == [f"{GENERIC}\nDocuments:\n[1] a\n[2] b\nSearch Query: q"]
    assert sorted(ranked.ranking.doc_ids) == ["d0", "d1", "d2"]


def test_a_title_is_part_of_the_text_and_an_empty_end_token_appends_nothing() -> None:
    engine = HashEmbedder()
    titled = CandidateList(Query("1", "q"), (Document("d", "the text", "A title"),), (1.0,))
    ranker(engine, end_token="").rank([titled])
    assert engine.asked[0] == ["A title the text"]


def test_lists_without_documents_cost_no_call() -> None:
    engine = HashEmbedder()
    empty = CandidateList(Query("0", "q"), (), ())
    assert ranker(engine).rank([]) == []
    (nothing,) = ranker(engine).rank([empty])
    assert nothing.ranking.doc_ids == ()
    assert engine.asked == []
    first, second = ranker(engine).rank([empty, candidates("1", ["a"])])
    assert first.ranking.doc_ids == ()
    assert first.calls == ()
    assert second.ranking.doc_ids == ("d0",)
    assert [len(texts) for texts in engine.asked] == [1, 1]


def test_the_chat_template_of_the_engine_is_used_where_it_has_one() -> None:
    plain = f"{GENERIC}\nDocuments:\n[1] a\nSearch Query: q"
    chat = f"<user>{plain}</user><assistant>"

    class WithoutTemplate(ChatEmbedder):
        has_chat_template = False

    for engine, use, expected in [
        (ChatEmbedder(), "auto", chat),
        (ChatEmbedder(), "always", chat),
        (ChatEmbedder(), "never", plain),
        (WithoutTemplate(), "auto", plain),
        (HashEmbedder(), "auto", plain),
    ]:
        ranker(engine, chat_template=use).rank([candidates("1", ["a"], "q")])
        assert engine.asked[1] == [expected]
    for without in (HashEmbedder(), WithoutTemplate()):
        with pytest.raises(ConfigError, match="has no chat template"):
            ranker(without, chat_template="always")


def test_a_plain_query_never_goes_through_the_chat_template() -> None:
    engine = ChatEmbedder()
    ranker(engine, "mini", mode="query-only", chat_template="always").rank([candidates("1", ["a"], "q")])
    instruction = "Given a web search query, retrieve relevant passages that answer the query"
    assert engine.asked[1] == [f"Instruct: {instruction}\nQuery:q{END}"]


def test_calls_and_phases_are_recorded() -> None:
    clock = Clock()
    ranked = ranker(CountingEmbedder(), clock=clock).rank([candidates("1", ["a b", "c"], "q"), candidates("2", ["c"], "q r")])
    assert [s.name for s in clock.spans] == ["build prompt", "check lengths", "encode documents", "encode prompt", "score"]
    assert all(s.query_ids == ("1", "2") for s in clock.spans)
    # Tokens: words, an end token a document, and two special ones a text: "a b" 5, "c" 4. The prompt of query 1 has 16 words of
    # instruction, "Documents:", "[1] a b [2] c", "Search Query: q" and two special tokens.
    documents, prompt = ranked[0].calls
    assert (documents.phase, documents.prompt_tokens, documents.batch_size) == ("encode documents", 9, 2)
    assert (prompt.phase, prompt.prompt_tokens, prompt.batch_size) == ("encode prompt", 16 + 1 + 5 + 3 + 2, 2)
    assert ranked[1].calls[0].prompt_tokens == 4
    assert all(c.completion_tokens == 0 and c.text == "" and c.seconds >= 0 for r in ranked for c in r.calls)


def test_without_a_counting_engine_no_lengths_are_checked() -> None:
    clock = Clock()
    (ranked,) = ranker(HashEmbedder(), clock=clock).rank([candidates("1", ["a"])])
    assert [s.name for s in clock.spans] == ["build prompt", "encode documents", "encode prompt", "score"]
    assert [c.prompt_tokens for c in ranked.calls] == [0, 0]


def test_cut_and_empty_documents_are_counted_once_a_query() -> None:
    (ranked,) = ranker(HashEmbedder(), max_words=2).rank([candidates("1", ["a b c", "", "a b", " \n", "x y z"])])
    assert ranked.defects == (
        Defect(DefectKind.SHORTENED, "documents cut to their first 2 words", 2),
        Defect(DefectKind.EMPTY_DOCUMENT, "documents without a word", 2),
    )


# WordTokens counts words and two special tokens, and takes 41 of them. The generic prompt has 16 words of instruction, "Documents:",
# one identifier a document, "Search Query:" and the query: 16 + 1 + 2 + 2 = 21, and identifiers, documents and query.


def test_a_prompt_that_is_too_long_has_its_documents_cut_evenly_and_keeps_its_query() -> None:
    engine = CountingEmbedder()
    texts = ["a1 a2 a3 a4 a5 a6 a7 a8 a9", "b1", "c1 c2 c3 c4 c5 c6 c7 c8"]
    (ranked,) = ranker(engine).rank([candidates("1", texts, "who asks")])
    # 21 + 3 identifiers + 2 query words = 26, and 18 words of documents make 44. 15 words may stay: 7 + 1 + 7.
    assert engine.asked[1] == [f"{GENERIC}\nDocuments:\n[1] a1 a2 a3 a4 a5 a6 a7\n[2] b1\n[3] c1 c2 c3 c4 c5 c6 c7\nSearch Query: who asks"]
    assert engine.asked[0][0] == texts[0] + END, "what is encoded as a document stays whole"
    assert ranked.calls[1].prompt_tokens == 41
    assert ranked.defects == (
        Defect(DefectKind.SHORTENED, "prompt of 44 tokens made to fit 41: its documents cut to their first 7 words", 2),
    )


def test_only_the_prompt_that_is_too_long_is_cut() -> None:
    long, short = ranker(CountingEmbedder()).rank([candidates("1", ["x " * 30], "q"), candidates("2", ["y y"], "q")])
    assert [d.kind for d in long.defects] == [DefectKind.SHORTENED]
    assert short.defects == ()


def test_a_query_that_is_too_long_on_its_own_loses_words_from_its_end() -> None:
    engine = CountingEmbedder()
    query = " ".join(f"q{i}" for i in range(30))
    (ranked,) = ranker(engine).rank([candidates("1", ["a b"], query)])
    # 21 + 1 identifier leave 19 words.
    kept = " ".join(f"q{i}" for i in range(19))
    assert engine.asked[1] == [f"{GENERIC}\nDocuments:\n[1] \nSearch Query: {kept}"]
    assert ranked.defects == (
        Defect(DefectKind.SHORTENED, "prompt of 54 tokens made to fit 41: its documents cut to their first 0 words", 1),
        Defect(DefectKind.OVER_LENGTH, "prompt of 54 tokens made to fit 41: the query cut to its first 19 of 30 words"),
    )


def test_a_plain_query_that_is_too_long_loses_words_and_keeps_its_end_token() -> None:
    engine = CountingEmbedder()
    query = " ".join(f"q{i}" for i in range(50))
    (ranked,) = ranker(engine, mode="query-only").rank([candidates("1", ["a"], query)])
    # "Instruct:" and 12 words, the end token and two special ones are 16; "Query:" is one token with the first word: 25 words stay.
    assert engine.asked[1][0].endswith(f"Query:{' '.join(f'q{i}' for i in range(25))}{END}")
    assert [d.kind for d in ranked.defects] == [DefectKind.OVER_LENGTH]
    assert ranked.calls[1].prompt_tokens == 41


def test_truncating_cuts_from_the_right_and_says_that_the_query_was_lost() -> None:
    engine = CountingEmbedder()
    (ranked,) = ranker(engine, overflow="truncate").rank([candidates("1", ["x " * 30], "who asks")])
    # 18 words before the document's, two special tokens: 21 of its words are left.
    assert engine.asked[1] == [f"{GENERIC}\nDocuments:\n[1] {' '.join(['x'] * 21)}"]
    assert ranked.defects == (Defect(DefectKind.TRUNCATED, "13 of 54 tokens cut from the right, the query at its end with them"),)


def test_truncating_a_prompt_whose_query_stands_in_front_leaves_the_query(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: m\nkind: listwise\nsource: x\ntext: '{query}: {documents}'\ndocument: '{text}'\nseparator: ' '\n")
    (ranked,) = ranker(CountingEmbedder(), overflow="truncate", profile=str(mine)).rank([candidates("1", ["x " * 39], "who asks")])
    assert [d.detail for d in ranked.defects if d.kind is DefectKind.TRUNCATED][
        -1
    ] == "2 of 43 tokens cut from the right, the query is whole"


def test_stopping_names_query_lengths_and_what_to_do() -> None:
    with pytest.raises(OverLengthError, match=r"'q7': its prompt has 54 tokens, the limit is 41.\nSet overflow"):
        ranker(CountingEmbedder(), overflow="error").rank([candidates("q7", ["x " * 30], "who asks")])
    with pytest.raises(OverLengthError, match=r"'q8': a document has 53 tokens, the engine takes 41.\nSet overflow"):
        ranker(CountingEmbedder(), overflow="error").rank([candidates("q7", ["a"]), candidates("q8", ["x " * 50])])


def test_an_instruction_that_does_not_fit_stops_whatever_the_rule() -> None:
    class Tiny(CountingEmbedder):
        max_tokens = 12

    with pytest.raises(OverLengthError, match="instruction alone is too long"):
        ranker(Tiny()).rank([candidates("1", ["a"])])


@pytest.mark.parametrize("overflow", ["shorten", "truncate"])
def test_a_document_that_is_too_long_is_cut_from_the_right_and_keeps_its_end_token(overflow: str) -> None:
    engine = CountingEmbedder()
    (ranked,) = ranker(engine, overflow=overflow, documents_in_prompt=1).rank([candidates("1", ["a", "x " * 50, "y " * 60, "x " * 50])])
    # 41 less two special tokens and the end token: 38 words.
    assert engine.asked[0] == [f"a{END}", " ".join(["x"] * 38) + END, " ".join(["y"] * 38) + END]
    assert ranked.defects == (
        Defect(DefectKind.TRUNCATED, "documents cut from the right to the engine's 41 tokens, the end token kept", 3),
    )
    # "a" and its end token and two special ones: 4; the other three have 41 each.
    assert ranked.calls[0].prompt_tokens == 4 + 3 * 41


def test_an_engine_that_gives_other_than_one_vector_a_text_is_refused() -> None:
    class Broken(HashEmbedder):
        def embed(self, texts: object) -> Floats:
            return np.zeros((1, 4), dtype=np.float32)

    with pytest.raises(EngineError, match="asked to embed 2 texts"):
        ranker(Broken()).rank([candidates("1", ["a", "b"])])


def test_a_bare_list_is_refused() -> None:
    with pytest.raises(DataError, match="'d' is not at hand"):
        ranker(HashEmbedder()).rank([CandidateList(Query("1", "q"), (Document("d", None),), (1.0,))])


def test_options_and_engines_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no profile or prompt 'authors-cod'. Did you mean 'authors-code'"):
        ranker(HashEmbedder(), profile="authors-cod")
    with pytest.raises(ConfigError, match="mode 'query-only' needs a prompt of kind 'query', but 'rankqwen3'"):
        ranker(HashEmbedder(), mode="query-only", profile="rankqwen3")
    with pytest.raises(ConfigError, match="needs an engine that embeds texts, got Writer"):
        EmbeddingRanker.build(EmbeddingOptions(), parts(Writer(str)))
    with pytest.raises(ConfigError, match="got NoneType"):
        EmbeddingRanker.build(EmbeddingOptions(), parts())
    with pytest.raises(ValidationError):
        EmbeddingOptions(documents_in_prompt=0)

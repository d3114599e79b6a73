"""The rankers' prompts of real queries, with the real Qwen3 tokenizer and chat template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from rankers.fakes import parts, vector
from rerankbench.protocols import Floats
from rerankbench.rankers.embedding import EmbeddingOptions, EmbeddingRanker
from rerankbench.rankers.listwise import ListwiseOptions, ListwiseRanker
from rerankbench.records import Call, CandidateList, Chat, DefectKind, Document, Message, Prompt, Query

THINKING_OFF = "<|im_start|>assistant\n<think>\n\n</think>\n\n"


@pytest.fixture(scope="module")
def tokenizer(data_dir: Path) -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(str(data_dir / "tokenizers" / "Qwen3-0.6B"))


@pytest.fixture(scope="module")
def dl19(data_dir: Path) -> list[CandidateList]:
    lists = []
    with (data_dir / "retrieval_results" / "bm25" / "dl19_top100.jsonl").open(encoding="utf-8") as file:
        for line in list(file)[:5]:
            record = json.loads(line)
            documents = tuple(Document(h["docid"], h["content"]) for h in record["hits"])
            query = Query(str(record["hits"][0]["qid"]), record["query"])
            lists.append(CandidateList(query, documents, tuple(h["score"] for h in record["hits"])))
    return lists


class Qwen3:
    """The real tokenizer and chat template, over vectors and answers without a model."""

    name: ClassVar[str] = "qwen3"
    caveat: ClassVar[str] = ""
    has_chat_template = True

    def __init__(self, tokenizer: Any, max_tokens: int = 32768) -> None:
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.asked: list[list[str]] = []

    def render_chat(self, chat: Chat) -> str:
        turns = [{"role": m.role, "content": m.content} for m in chat.messages]
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, enable_thinking=False))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in self.tokenizer(list(texts))["input_ids"]]

    def truncate(self, text: str, max_tokens: int) -> str:
        return str(self.tokenizer.decode(self.tokenizer(text)["input_ids"][:max_tokens]))

    def embed(self, texts: Sequence[str]) -> Floats:
        self.asked.append(list(texts))
        assert max(self.count_tokens(texts)) <= self.max_tokens
        return np.stack([vector(t) for t in texts])

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        texts = [p if isinstance(p, str) else self.render_chat(p) for p in prompts]
        self.asked.append(texts)
        assert max(self.count_tokens(texts)) + max_tokens <= self.max_tokens
        return [Call(0, 0, 0.0, text=" > ".join(f"[{n}]" for n in range(1, 21))) for _ in prompts]

    def synchronise(self) -> None: ...

    def close(self) -> None: ...


def test_the_listwise_prompt_ends_where_the_answer_begins_thinking_off_and_without_an_end_token(
    tokenizer: Any, dl19: list[CandidateList]
) -> None:
    engine = Qwen3(tokenizer)
    ranked = EmbeddingRanker.build(EmbeddingOptions(), parts(engine)).rank(dl19)
    documents, prompts = engine.asked
    for one, prompt in zip(dl19, prompts, strict=True):
        first = " ".join(one.documents[0].contents.split())
        task = "Given a web search query and some relevant documents, rerank the documents that answer the query:"
        assert prompt.startswith(f"<|im_start|>user\n{task}\nDocuments:\n[1] {first}\n[2] ")
        assert prompt.endswith(f"\nSearch Query: {one.query.text}<|im_end|>\n{THINKING_OFF}")
        assert "<|endoftext|>" not in prompt
        assert prompt.count("\n[20] ") == 1
        assert "\n[21] " not in prompt
    assert all(d.endswith("<|endoftext|>") for d in documents)
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    assert {tokenizer(d)["input_ids"][-1] for d in documents} == {end}, "the end token is one token, and the last"
    assert [r.calls[1].prompt_tokens for r in ranked] == engine.count_tokens(prompts)
    assert all(r.defects == () for r in ranked)


def test_the_readme_prompt_of_real_queries_differs_where_the_model_card_does(tokenizer: Any, dl19: list[CandidateList]) -> None:
    engine = Qwen3(tokenizer)
    EmbeddingRanker.build(EmbeddingOptions(profile="readme"), parts(engine)).rank(dl19)
    for one, prompt in zip(dl19, engine.asked[1], strict=True):
        assert prompt.endswith(f"<|endoftext|>Search Query:{one.query.text}<|im_end|>\n{THINKING_OFF}")
        assert prompt.count("<|endoftext|>") == 20


@pytest.mark.parametrize("limit", [500, 1000])
def test_a_real_prompt_that_is_too_long_keeps_its_query_and_as_many_words_as_fit(
    tokenizer: Any, dl19: list[CandidateList], limit: int
) -> None:
    engine = Qwen3(tokenizer, max_tokens=limit)
    for one, ranked in zip(dl19, EmbeddingRanker.build(EmbeddingOptions(), parts(engine)).rank(dl19), strict=True):
        (defect,) = [d for d in ranked.defects if d.kind is DefectKind.SHORTENED]
        words = int(defect.detail.split()[-2])
        assert words > 0
        prompt = next(p for p in engine.asked[1] if p.endswith(f"\nSearch Query: {one.query.text}<|im_end|>\n{THINKING_OFF}"))
        assert ranked.calls[1].prompt_tokens == engine.count_tokens([prompt])[0] <= limit
        # One more word a document would not fit.
        lines = [" ".join(d.contents.split()[: words + 1]) for d in one.documents[:20]]
        task = "Given a web search query and some relevant documents, rerank the documents that answer the query:"
        shown = "\n".join(f"[{i}] {text}" for i, text in enumerate(lines, start=1))
        longer = engine.render_chat(Chat((Message("user", f"{task}\nDocuments:\n{shown}\nSearch Query: {one.query.text}"),)))
        assert engine.count_tokens([longer])[0] > limit


def test_rankqwen3_prompts_of_real_queries_fit_the_4096_tokens_of_its_training(tokenizer: Any, dl19: list[CandidateList]) -> None:
    engine = Qwen3(tokenizer, max_tokens=4096)
    ranked = ListwiseRanker.build(ListwiseOptions(), parts(engine)).rank(dl19)
    assert [len(step) for step in engine.asked] == [5] * 9
    assert all(p.endswith(f"do not say anything else or explain.<|im_end|>\n{THINKING_OFF}") for step in engine.asked for p in step)
    assert [r.ranking.doc_ids for r in ranked] == [tuple(d.id for d in one.documents) for one in dl19]


def test_an_answer_of_20_identifiers_fits_the_default_room(tokenizer: Any) -> None:
    answer = " > ".join(f"[{n}]" for n in range(1, 21))
    assert len(tokenizer(answer)["input_ids"]) < ListwiseOptions().max_new_tokens

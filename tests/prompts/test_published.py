"""Every published prompt, byte for byte: the texts below were written from the sources that the prompts' files name, not from our output.

The prompts of E2Rank, RankQwen3 and RankGPT stand in test_prompts.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from rerankbench import prompts
from rerankbench.records import Chat, Message

QUERY = "what is a flea"
DOCUMENTS = ("Fleas jump.", "Dogs bark.")
RANKLLM = "You are RankLLM, an intelligent assistant that can rank passages based on their relevancy to the query"
RANK_ALL = (
    "Rank the 2 passages above based on their relevance to the search query. "
    "All the passages should be included and listed using identifiers, in descending order of relevance. "
)
CONCISELY = "Answer concisely and directly and only respond with the ranking results, do not say any word or explain."


def listwise(name: str) -> Chat | str:
    return prompts.load(name).render(QUERY, DOCUMENTS)


def pointwise(name: str, benchmark: str = "dl19", values: Mapping[str, str] | None = None) -> Chat | str:
    return prompts.load(name).for_benchmark(benchmark).render(QUERY, DOCUMENTS[:1], values=values)


def test_rankzephyr() -> None:
    user = (
        "I will provide you with 2 passages, each indicated by a numerical identifier []. "
        "Rank the passages based on their relevance to the search query: what is a flea.\n"
        "[1] Fleas jump.\n[2] Dogs bark.\nSearch Query: what is a flea.\n"
        + RANK_ALL
        + "The output format should be [] > [], e.g., [2] > [1], "
        + CONCISELY
    )
    assert listwise("rankzephyr") == Chat((Message("system", RANKLLM), Message("user", user)))


def test_rankvicuna_is_rankzephyr_as_one_raw_text_in_vicunas_framing() -> None:
    zephyr = listwise("rankzephyr")
    assert isinstance(zephyr, Chat)
    assert listwise("rankvicuna") == f"{RANKLLM} USER: {zephyr.messages[1].content} ASSISTANT:"


def test_first_mistral_names_by_letters_and_begins_the_answer() -> None:
    user = (
        "I will provide you with 2 passages, each indicated by an alphabetical identifier []. "
        "Rank the passages based on their relevance to the search query: what is a flea.\n"
        "[A] Fleas jump.\n[B] Dogs bark.\nSearch Query: what is a flea.\n"
        + RANK_ALL
        + "The output format should be [] > [], e.g., [B] > [A], "
        + CONCISELY
    )
    assert listwise("first-mistral") == Chat((Message("system", RANKLLM), Message("user", user)), thinking=False, answer="[")


def test_rearank_is_one_exchange_a_passage_with_the_authors_indentation() -> None:
    assert listwise("rearank") == Chat(
        (
            Message(
                "system",
                "You are DeepRerank, an intelligent assistant that can rank passages based on their relevancy to the search query. "
                "You first thinks about the reasoning process in the mind and then provides the user with the answer.",
            ),
            Message(
                "user",
                "I will provide you with passages, each indicated by number identifier []. "
                "Rank the passages based on their relevance to the search query."
                "Search Query: what is a flea. \nRank the 2 passages above based on their relevance to the search query."
                "The passages should be listed in descending order using identifiers. "
                "The most relevant passages should be listed first. "
                "The output format should be <answer> [] > [] </answer>, e.g., <answer> [1] > [2] </answer>.",
            ),
            Message("assistant", "Okay, please provide the passages."),
            Message("user", "[1] Fleas jump."),
            Message("assistant", "Received passage [1]."),
            Message("user", "[2] Dogs bark."),
            Message("assistant", "Received passage [2]."),
            Message(
                "user",
                """Please rank these passages according to their relevance to the search query: "what is a flea"
            Follow these steps exactly:
            1. First, within <think> tags, analyze EACH passage individually:
            - Evaluate how well it addresses the query
            - Note specific relevant information or keywords

            2. Then, within <answer> tags, provide ONLY the final ranking in descending order of relevance """
                "using the format: [X] > [Y] > [Z]",
            ),
        )
    )


def test_reasonrank_has_a_blank_line_before_its_passages() -> None:
    system = (
        "You are RankLLM, an intelligent assistant that can rank passages based on their relevance to the query. "
        "Given a query and a passage list, you first thinks about the reasoning process in the mind and then provides the answer "
        "(i.e., the reranked passage list). The reasoning process and answer are enclosed within <think> </think> and "
        "<answer> </answer> tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>."
    )
    user = (
        "I will provide you with 2 passages, each indicated by a numerical identifier []. "
        "Rank the passages based on their relevance to the search query: what is a flea.\n\n"
        "[1] Fleas jump.\n[2] Dogs bark.\nSearch Query: what is a flea.\n"
        + RANK_ALL
        + "The format of the answer should be [] > [], e.g., [2] > [1]."
    )
    assert listwise("reasonrank") == Chat((Message("system", system), Message("user", user)))


def test_rank_r1_writes_a_colon_behind_the_label() -> None:
    system = (
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. "
        "The assistant first thinks about the reasoning process in the mind and then provides the user with the answer. "
        "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., "
        "<think> reasoning process here </think> <answer> answer here </answer>."
    )
    user = (
        'Given the query: "what is a flea", which of the following documents is most relevant?\n'
        "[1]: Fleas jump.\n[2]: Dogs bark.\n"
        "After completing the reasoning process, please provide only the label of the most relevant document to the query, "
        "enclosed in square brackets, within the answer tags. For example, if the third document is the most relevant, "
        "the answer should be: <think> reasoning process here </think> <answer>[3]</answer>."
    )
    assert listwise("rank-r1") == Chat((Message("system", system), Message("user", user)))


def test_pairwise_ranking_prompting_begins_the_answer() -> None:
    user = (
        'Given a query "what is a flea", which of the following two passages is more relevant to the query?\n\n'
        'Passage A: "Fleas jump."\n\nPassage B: "Dogs bark."\n\nOutput Passage A or Passage B:'
    )
    assert listwise("prp") == Chat((Message("user", user),), answer=" Passage:")


def test_the_texts_of_t5() -> None:
    assert pointwise("monot5") == "Query: what is a flea Document: Fleas jump. Relevant:"
    assert pointwise("rankt5") == "Query: what is a flea Document: Fleas jump."
    assert pointwise("listt5", values={"number": "3"}) == "Query: what is a flea, Index: 3, Context: Fleas jump."


def test_qwen3_pointwise_ends_without_a_newline() -> None:
    user = "Document: Fleas jump.\n\nQuery: what is a flea\n\nDoes the document answer the query?"
    assert pointwise("qwen3-pointwise") == Chat((Message("user", user),), thinking=False)


QWEN3_RERANKER = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    "<Instruct>: %s\n<Query>: what is a flea\n<Document>: Fleas jump."
    "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
)


def test_qwen3_reranker_is_raw_text_with_the_chats_tokens() -> None:
    assert pointwise("qwen3-reranker") == QWEN3_RERANKER % "Given a web search query, retrieve relevant passages that answer the query"


def test_a_wording_of_the_file_can_be_replaced_by_the_one_who_asks() -> None:
    assert pointwise("qwen3-reranker", values={"instruction": "Find parasites."}) == QWEN3_RERANKER % "Find parasites."


@pytest.mark.parametrize(
    ("benchmark", "query"),
    [
        ("dl19", "what is a flea"),
        ("signal1m", "what is a flea"),
        ("trec-covid", "what is a flea If the article answers any part of the question it is relevant."),
        ("touche2020", "what is a flea **any** arguments for or against"),
        (
            "scifact",
            (
                "Claim: what is a flea\n\nA relevant passage would provide evidence that either **supports** or **refutes** this claim. "
                "A passage with any information on any related subpart should be relevant."
            ),
        ),
        ("bright-theoremqa-theorems", "Find a passage which uses the same mathematical process as this one: what is a flea"),
        (
            "bright-stackoverflow",
            (
                "Can you find background information about the concepts used to answer the question:\n\nwhat is a flea\n\n"
                "A passage is relevant if it contains background information about a **sub-concept** that someone might cite/link to "
                "when answering the above question."
            ),
        ),
        (
            "bright-leetcode",
            (
                "I am looking to find different problems that share similar data structures (of any kind) or algorithms "
                "(e.g. DFS, DP, sorting, traversals, etc.). I am looking for problems that share one or both of these similarities to "
                "this:\n    \nwhat is a flea\n\nDoes this passage share any similarities? e.g. if there was a "
                "textbook on leetcode problems, "
                "this would be in the same book even though it could be in a different chapter. \n\n\n"
            ),
        ),
    ],
)
def test_rank1_is_raw_text_that_wraps_the_query_by_data_set(benchmark: str, query: str) -> None:
    assert pointwise("rank1", benchmark) == (
        "Determine if the following passage is relevant to the query. Answer only with 'true' or 'false'.\n"
        f"Query: {query}\nPassage: Fleas jump.\n<think>"
    )


@pytest.mark.parametrize(
    ("benchmark", "instruction"),
    [
        ("robust04", "Given a query, retrieval relevant passage."),
        (
            "bright-economics",
            (
                "A document is relevant if it contains information that helps answer or address the query. A document is not relevant "
                "if it doesn't contain information that helps answer the query, even if it mentions similar topics."
            ),
        ),
        (
            "bright-aops",
            (
                "We want to find different but similar math problems to the query. "
                "A document is relevant if it uses the same class of functions and shares any overlapping techniques."
            ),
        ),
    ],
)
def test_erank_thinks_and_takes_its_instruction_by_data_set(benchmark: str, instruction: str) -> None:
    user = (
        f"Given a query and a document, please give a relevance score of 0~10.\nThe goal or relevance definition is: {instruction}\n\n"
        "Here is the query:\nwhat is a flea\n\nHere is the document:\nFleas jump.\n\n"
        "After thinking, directly choose a relevance score from [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].\n"
        "- 0 represents completely not related\n- 10 means perfectly related.\n\n"
        "Desired output format:\n<think>put your thinking here</think><answer>Only allows an integer here</answer>\n\nYour output:"
    )
    assert pointwise("erank", benchmark) == Chat((Message("user", user),), thinking=True)


@pytest.mark.parametrize("name", ["rank1", "erank"])
def test_the_wordings_for_bright_cover_its_twelve_sets(name: str) -> None:
    worded = {b for b in prompts.load(name).file.benchmarks if b.startswith("bright-")}
    assert worded == {b for b in prompts.load("e2rank-query").file.benchmarks if b.startswith("bright-")}
    assert len(worded) == 12


def test_judgerank_asks_in_three_steps_and_each_shows_the_answers_before() -> None:
    steps = [prompts.load(f"judgerank-{step}") for step in ("query", "document", "judgment")]
    assert [(s.kind, s.file.given, s.file.gives) for s in steps] == [
        ("query", (), "query_analysis"),
        ("pointwise", ("query_analysis",), "document_analysis"),
        ("pointwise", ("query_analysis", "document_analysis"), ""),
    ]
    assert steps[0].render(QUERY) == (
        "You will be presented with a query.\n\nYour task consists of the following step:\n\n1. Analyze the query:\n"
        "- Carefully read each sentence of the query.\n- Identify the core problem or question being asked.\n\n"
        "Here is the query:\nwhat is a flea\n\n"
    )
    analysis = {"query_analysis": "It asks {what}."}
    assert steps[1].render(QUERY, DOCUMENTS[:1], values=analysis) == (
        "You will be presented with a query, an analysis of the query, and a passage.\n\n"
        "Your task consists of the following steps:\n\n1. Analyze the passage:\n"
        "- Thoroughly examine each sentence of the passage.\n"
        "- List all sentences from the passage that are relevant the query.\n"
        "- Briefly explain how each sentence listed is related the query.\n\n2. Assess overall relevance:\n"
        "- If the passage, particularly the relevant sentences (if applicable), are related to the query, briefly explain why.\n"
        "- Otherwise, briefly explain why not.\n\n"
        "Here is the query:\nwhat is a flea\n\nHere is the analysis of the query:\nIt asks {what}.\n\n"
        "Here is the passage:\nFleas jump.\n\n"
    )
    assert steps[2].render(QUERY, DOCUMENTS[:1], values={**analysis, "document_analysis": "It says how."}) == (
        "You will be presented with a query, an analysis of the query, a passage, and an analysis of the passage.\n\n"
        "Your task is to assess if the passage is relevant to the query in one word:\n"
        "- Yes: If the passage is relevant to the query.\n- No: Otherwise.\n\n"
        "Important: Respond using exactly one of the following two words without quotation marks: Yes or No.\n\n"
        "Here is the query:\nwhat is a flea\n\nHere is the analysis of the query:\nIt asks {what}.\n\n"
        "Here is the passage:\nFleas jump.\n\nHere is the analysis of the passage:\nIt says how.\n\nThe final answer is: "
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bge-query", "Represent this sentence for searching relevant passages: what is a flea"),
        ("plain-query", "what is a flea"),
        (
            "qwen3-embedding-query",
            "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:what is a flea",
        ),
    ],
)
def test_the_queries_of_embedding_models(name: str, text: str) -> None:
    assert prompts.load(name).render(QUERY, end_token="<|endoftext|>") == text


def test_windows_of_real_lists_are_built_as_the_authors_loops_build_them(data_dir: Path) -> None:
    with (data_dir / "retrieval_results" / "bm25" / "dl19_top100.jsonl").open(encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    assert len(records) == 43
    for record in records:
        query, texts = record["query"], [hit["content"] for hit in record["hits"][-20:]]
        lines = "".join(f"[{rank}] {text}\n" for rank, text in enumerate(texts, start=1))  # each with its newline, as RankLLM's template
        opening = (
            f"I will provide you with {len(texts)} passages, each indicated by a numerical identifier []. "
            f"Rank the passages based on their relevance to the search query: {query}.\n"
        )
        assert user_turn("rankzephyr", query, texts).startswith(f"{opening}{lines}Search Query: {query}.\nRank the 20 passages above ")
        # ReasonRank puts another newline behind the opening.
        assert user_turn("reasonrank", query, texts).startswith(f"{opening}\n{lines}Search Query: {query}.\nRank the 20 passages above ")
        letters = "".join(f"[{chr(64 + rank)}] {text}\n" for rank, text in enumerate(texts, start=1))
        assert f".\n{letters}Search Query: {query}.\n" in user_turn("first-mistral", query, texts)
        labelled = "\n".join([f"[{rank}]: {text}" for rank, text in enumerate(texts, start=1)])
        assert f"is most relevant?\n{labelled}\nAfter completing" in user_turn("rank-r1", query, texts)


def user_turn(name: str, query: str, texts: list[str]) -> str:
    rendered = prompts.load(name).render(query, texts)
    assert isinstance(rendered, Chat)
    return rendered.messages[1].content

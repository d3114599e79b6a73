"""Prompt files: the exact texts, what is refused, and what the hash covers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench import prompts
from rerankbench.errors import ConfigError
from rerankbench.prompts import Prompt
from rerankbench.records import Chat, Message

QUERY = "what is a flea"
DOCUMENTS = ["Fleas jump.", "Dogs bark."]


def chat(prompt: Prompt, documents: Sequence[str] = DOCUMENTS, query: str = QUERY, end_token: str = "") -> list[tuple[str, str]]:
    """Roles and contents of a rendered chat."""
    rendered = prompt.render(query, documents, end_token=end_token)
    assert isinstance(rendered, Chat)
    return [(m.role, m.content) for m in rendered.messages]


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


LISTWISE = """
name: mine
kind: listwise
source: by hand
messages:
  - {role: user, content: "{documents} | {query}"}
document: "{number}={text}"
separator: ";"
"""


def test_the_authors_code_prompt_is_byte_equal_to_the_published_evaluation() -> None:
    expected = (
        "Given a web search query and some relevant documents, rerank the documents that answer the query:\nDocuments:\n"
        "[1] Fleas jump.\n[2] Dogs bark.\nSearch Query: what is a flea"
    )
    assert chat(prompts.load("e2rank-listwise")) == [("user", expected)]


def test_the_readme_prompt_has_end_tokens_inside_and_neither_newline_before_nor_blank_after_the_search_query() -> None:
    expected = (
        "Given a web search query and some relevant documents, rerank the documents that answer the query:\nDocuments:\n"
        "[1] Fleas jump.<|endoftext|>\n[2] Dogs bark.<|endoftext|>Search Query:what is a flea"
    )
    assert chat(prompts.load("e2rank-listwise-readme"), end_token="<|endoftext|>") == [("user", expected)]


@pytest.mark.parametrize(
    ("benchmark", "task", "label"),
    [
        ("dl19", "Given a web search query and some relevant documents, rerank the documents that answer the query", "Documents"),
        ("trec-covid", "Given a query on COVID-19 and some relevant documents, rerank the documents that answer the query", "Documents"),
        (
            "touche2020",
            "Given a question and some arguments, rerank the detailed and persuasive arguments that answer the question",
            "Arguments",
        ),
        ("dbpedia", "Given a query and some relevant entities, rerank the best descriptions from DBPedia", "Entities"),
        (
            "signal1m",
            "Given a news article title and some relevant tweets, rerank the tweets that are most relevant to the query",
            "Tweets",
        ),
        (
            "bright-earth-science",
            "Given an earth science post and some relevant passages, rerank the passages that help answer the post",
            "Passages",
        ),
        (
            "bright-theoremqa-theorems",
            "Given a Math problem and some relevant theorems, rerank the theorems that help answer the problem",
            "Theorems",
        ),
    ],
)
def test_the_dataset_prompt_has_the_wording_of_its_benchmark(benchmark: str, task: str, label: str) -> None:
    prompt = prompts.load("e2rank-listwise-dataset").for_benchmark(benchmark)
    assert chat(prompt) == [("user", f"{task}:\n{label}:\n[1] Fleas jump.\n[2] Dogs bark.\nSearch Query: what is a flea")]
    assert not prompt.generic


@pytest.mark.parametrize("name", ["e2rank-listwise-dataset", "e2rank-query"])
def test_the_wordings_cover_all_22_benchmarks_of_the_paper_and_no_name_has_an_underscore(name: str) -> None:
    words = prompts.load(name).file.benchmarks
    beir = {"trec-covid", "nfcorpus", "touche2020", "dbpedia", "scifact", "signal1m", "trec-news", "robust04"}
    bright = {
        "biology", "earth-science", "economics", "psychology", "robotics", "stackoverflow", "sustainable-living", "leetcode", "pony",
        "aops", "theoremqa-questions", "theoremqa-theorems",
    }  # fmt: skip
    assert set(words) == {"dl19", "dl20"} | beir | {f"bright-{b}" for b in bright}


def test_a_benchmark_without_a_wording_of_its_own_takes_the_default_visibly() -> None:
    prompt = prompts.load("e2rank-listwise-dataset").for_benchmark("mini")
    assert prompt.generic
    assert prompt.render(QUERY, DOCUMENTS) == prompts.load("e2rank-listwise").render(QUERY, DOCUMENTS)
    assert not prompts.load("e2rank-listwise").for_benchmark("mini").generic, "worded alike for all"


@pytest.mark.parametrize(
    ("benchmark", "task"),
    [
        ("dl20", "Given a web search query, retrieve relevant passages that answer the query"),
        ("mini", "Given a web search query, retrieve relevant passages that answer the query"),
        ("robust04", "Given a newswire query, retrieve relevant news articles that address the query."),
        ("bright-sustainable-living", "Given a sustainable_living post, retrieve relevant passages that help answer the post"),
    ],
)
def test_the_query_prompt_is_raw_text_without_a_blank_and_with_the_end_token(benchmark: str, task: str) -> None:
    rendered = prompts.load("e2rank-query").for_benchmark(benchmark).render(QUERY, end_token="<|endoftext|>")
    assert rendered == f"Instruct: {task}\nQuery:what is a flea<|endoftext|>"


def test_the_rankqwen3_prompt_has_blank_lines_around_passages_and_ends_without_a_newline() -> None:
    expected = (
        "I will provide you with 2 passages, each indicated by a numerical identifier []. Rank the passages based on their relevance to "
        "the search query: what is a flea.\n\n[1] Fleas jump.\n\n[2] Dogs bark.\n\nSearch Query: what is a flea.\n"
        "Rank the 2 passages above based on their relevance to the search query. "
        "All the passages should be included and listed using identifiers, in descending order of relevance. "
        "The output format should be [] > [] > ..., e.g., [4] > [2] > ..., "
        "Only respond with the ranking results, do not say anything else or explain."
    )
    assert chat(prompts.load("rankqwen3")) == [("user", expected)]


def test_the_rankgpt_prompt_is_one_exchange_a_passage() -> None:
    assert prompts.load("rankgpt-multiturn").render(QUERY, DOCUMENTS) == Chat(
        (
            Message("system", "You are RankGPT, an intelligent assistant that can rank passages based on their relevancy to the query."),
            Message(
                "user",
                "I will provide you with 2 passages, each indicated by number identifier []. \n"
                "Rank the passages based on their relevance to query: what is a flea.",
            ),
            Message("assistant", "Okay, please provide the passages."),
            Message("user", "[1] Fleas jump."),
            Message("assistant", "Received passage [1]."),
            Message("user", "[2] Dogs bark."),
            Message("assistant", "Received passage [2]."),
            Message(
                "user",
                "Search Query: what is a flea. \nRank the 2 passages above based on their relevance to the search query. "
                "The passages should be listed in descending order using identifiers. "
                "The most relevant passages should be listed first. The output format should be [] > [], e.g., [1] > [2]. "
                "Only response the ranking results, do not say any word or explain.",
            ),
        )
    )


@given(query=st.text(), documents=st.lists(st.text(), min_size=1, max_size=3))
def test_what_stands_in_a_query_or_document_is_never_taken_for_a_placeholder(query: str, documents: list[str]) -> None:
    documents = [*documents, "{query} {documents} {{ {0} } {text}"]
    query += " {documents}"
    lines = "\n".join(f"[{i}] {d}" for i, d in enumerate(documents, start=1))
    instruction = "Given a web search query and some relevant documents, rerank the documents that answer the query:"
    expected = f"{instruction}\nDocuments:\n{lines}\nSearch Query: {query}"
    assert chat(prompts.load("e2rank-listwise"), documents, query) == [("user", expected)]


def test_a_prompt_without_documents_renders_with_none() -> None:
    ((_, content),) = chat(prompts.load("e2rank-listwise"), [])
    assert content.endswith("Documents:\n\nSearch Query: what is a flea")


@pytest.mark.parametrize("name", prompts.names())
def test_every_shipped_prompt_says_its_file_name_and_its_source(name: str) -> None:
    prompt = prompts.load(name)
    assert prompt.name == name
    assert prompt.file.source
    assert prompt.file.notes


def test_a_prompt_of_ones_own_is_loaded_by_its_path(tmp_path: Path) -> None:
    assert prompts.load(write(tmp_path, LISTWISE)).render("q", ["a", "b"]) == Chat((Message("user", "1=a;2=b | q"),))


def test_doubled_braces_in_a_file_are_braces(tmp_path: Path) -> None:
    name = write(tmp_path, LISTWISE.replace('"{documents} |', '"{{json}} {documents} |'))
    assert prompts.load(name).render("q", ["a"]) == Chat((Message("user", "{json} 1=a | q"),))


def test_an_unknown_prompt_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"no prompt 'rankqwen'.*'rankqwen3'"):
        prompts.load("rankqwen")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{documents} |", "{documants} |", r"yaml:6: .*'messages.0.content': nothing fills the placeholder \{documants\}.*'documents'"),
        ("{number}=", "{nmber}=", r"'document': nothing fills the placeholder \{nmber\}. .*'number'"),
        ("| {query}", "|", r"mine.yaml: the placeholder \{query\} is missing"),
        ("={text}", "=", r"mine.yaml: the placeholder \{text\} is missing"),
        ("{documents} |", "|", r"mine.yaml: the placeholder \{documents\} and the key 'document' .* need each other"),
        ('document: "{number}={text}"', "", r"mine.yaml: the placeholder \{documents\} and the key 'document' .* need each other"),
        ("| {query}", "| {query", "'messages.0.content': .*\n?.*written twice"),
        ("| {query}", "| {query!r}", "expected a bare name"),
        ("| {query}", "| {query} {}", "expected a bare name"),
        ("| {query}", "| {query:>9}", "expected a bare name"),
        ("kind: listwise", "kind: query", "of kind 'query' must show no documents"),
        ("kind: listwise", "kind: listwise\ntext: '{query}'", "either 'text' or 'messages'"),
        ("separator:", "seperator:", "unknown key 'seperator'. .*'separator'"),
        ("role: user", "role: usr", "usr"),
        ("separator:", "default: {task: x}\nseparator:", r"key 'default': the value 'task' fills no placeholder"),
        ("| {query}", "| {query} {task}", r"nothing fills the placeholder \{task\}"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_place_and_nearest_name(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in LISTWISE
    with pytest.raises(ConfigError, match=message):
        prompts.load(write(tmp_path, LISTWISE.replace(old, new)))


def test_a_benchmark_whose_wording_lacks_a_value_is_refused(tmp_path: Path) -> None:
    text = LISTWISE.replace("| {query}", "| {query} {task}") + "default: {task: x}\nbenchmarks:\n  dl19: {tsk: y}\n"
    with pytest.raises(ConfigError, match=r"'benchmarks.dl19': the placeholder \{task\} has no value here. .*'tsk'"):
        prompts.load(write(tmp_path, text))


def test_a_listwise_prompt_that_shows_no_documents_is_refused(tmp_path: Path) -> None:
    text = "name: mine\nkind: listwise\nsource: by hand\ntext: '{query}'\n"
    with pytest.raises(ConfigError, match="of kind 'listwise' must show documents"):
        prompts.load(write(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        prompts.load(str(tmp_path / "none.yaml"))


POINTWISE = """
name: mine
kind: pointwise
source: by hand
messages:
  - {role: user, content: "{query} | {text} | {analysis} | {goal}"}
given: [analysis]
default: {goal: find}
"""


def test_a_pointwise_prompt_shows_its_one_document_and_what_it_is_given(tmp_path: Path) -> None:
    prompt = prompts.load(write(tmp_path, POINTWISE))
    assert chat_with(prompt, {"analysis": "{query}"}) == "q | a | {query} | find"
    assert chat_with(prompt, {"analysis": "x", "goal": "look"}) == "q | a | x | look"


def chat_with(prompt: Prompt, values: dict[str, str]) -> str:
    rendered = prompt.render("q", ["a"], values=values)
    assert isinstance(rendered, Chat)
    return rendered.messages[0].content


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"shows \{analysis\}, which nothing before it gives"),
        ({"analysis": "x", "gaol": "y"}, r"has no place for 'gaol'. .*'goal'"),
        ({"analysis": "x", "query": "y"}, "has no place for 'query'"),
    ],
)
def test_values_that_lack_or_are_too_many_are_refused(tmp_path: Path, values: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prompts.load(write(tmp_path, POINTWISE)).render("q", ["a"], values=values)


@pytest.mark.parametrize(
    ("name", "documents", "message"),
    [
        ("monot5", ["a", "b"], "of kind 'pointwise' and shows 1 documents, got 2"),
        ("monot5", [], "of kind 'pointwise' and shows 1 documents, got 0"),
        ("prp", ["a"], "of kind 'pairwise' and shows 2 documents, got 1"),
        ("plain-query", ["a"], "of kind 'query' and shows 0 documents, got 1"),
    ],
)
def test_another_number_of_documents_than_the_kind_shows_is_refused(name: str, documents: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prompts.load(name).render("q", documents)


def test_identifiers_are_digits_or_letters_as_far_as_the_alphabet_goes() -> None:
    assert prompts.load("rankzephyr").identifiers(12)[8:] == ("9", "10", "11", "12")
    assert "".join(prompts.load("first-mistral").identifiers(26)) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    with pytest.raises(ConfigError, match="names documents by letters, and cannot show 27"):
        prompts.load("first-mistral").render("q", ["a"] * 27)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("| {text}", "| text", r"of kind 'pointwise' must show its one document, by \{text\}"),
        ("| {text}", "| {documents}", r"nothing fills the placeholder \{documents\}"),
        ("{analysis}", "analysis", "key 'given': 'analysis' fills no placeholder"),
        ("given: [analysis]", "given: [analysis, text]", "key 'given': 'text' is filled already"),
        ("given: [analysis]", "given: [analysis, goal]", "key 'given': 'goal' is filled already"),
        ("given: [analysis]", "", r"nothing fills the placeholder \{analysis\}"),
        ("kind: pointwise", "kind: pairwise", r"nothing fills the placeholder \{text\}"),
        ("kind: pointwise", "kind: sidewise", "'listwise', got 'sidewise'"),
        ("given:", "identifiers: runes\ngiven:", "got 'runes'"),
    ],
)  # fmt: skip
def test_a_wrong_pointwise_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in POINTWISE
    with pytest.raises(ConfigError, match=message):
        prompts.load(write(tmp_path, POINTWISE.replace(old, new)))


@pytest.mark.parametrize("key", ["thinking: true", "answer: '['"])
def test_a_raw_text_has_neither_thinking_nor_the_answers_beginning_beside_it(tmp_path: Path, key: str) -> None:
    text = f"name: mine\nkind: query\nsource: by hand\ntext: '{{query}}'\n{key}\n"
    with pytest.raises(ConfigError, match="belong to 'messages'"):
        prompts.load(write(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("name: mine", "name: other", True),
        ("separator:", "thinking: true\nseparator:", False),
        ("separator:", "answer: '['\nseparator:", False),
        ("separator:", "identifiers: letters\nseparator:", False),
        ("separator:", "gives: answer\nseparator:", False),
        ("kind: listwise", "kind: setwise", False),
        ("source: by hand", "source: elsewhere\nnotes: x", True),
        ('separator: ";"', 'separator: ","', False),
        ("{number}=", "{number}:", False),
        ("| {query}", "/ {query}", False),
        ("role: user", "role: system", False),
    ],
)
def test_the_hash_covers_what_decides_the_rendering_and_nothing_else(tmp_path: Path, old: str, new: str, same: bool) -> None:
    before = prompts.load(write(tmp_path, LISTWISE)).hash
    assert len(before) == 64
    assert (prompts.load(write(tmp_path, LISTWISE.replace(old, new))).hash == before) is same


def test_the_hash_follows_the_wording_not_the_benchmark() -> None:
    prompt = prompts.load("e2rank-query")
    assert prompt.for_benchmark("dl19").hash == prompt.for_benchmark("mini").hash == prompt.hash
    assert prompt.for_benchmark("scifact").hash != prompt.hash

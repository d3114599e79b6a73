"""What a model reads of MTEB's texts: the paper's instructions, the end token once, no more than fits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import MIRROR
from mteb_suite.fakes import WordTokens
from rerankbench import prompts
from rerankbench.errors import ConfigError, OverLengthError
from rerankbench.mteb_suite.reading import Reading, fitting
from rerankbench.reference import mteb

END = "<|endoftext|>"
PAPER = MIRROR.parent / "paper" / "paper.md"
SHORTENED = {
    "AmazonCounterfactualClassif.": "AmazonCounterfactualClassification",
    "ToxicConversationsClassif.": "ToxicConversationsClassification",
    "TweetSentimentClassification": "TweetSentimentExtractionClassification",
}
"""Names of the paper's Table 10 → mteb's."""


def instructed(**more: str) -> Reading:
    return Reading(prompts.load("e2rank-mteb"), END, more)


def test_a_query_bears_its_tasks_instruction_and_ends_with_the_end_token() -> None:
    # As PROTOCOL has it: Instruct: {instruction}\nQuery:{text}, no blank behind "Query:".
    read = instructed().queries(["0-dimensional biomaterials"], "SciFact")
    instruction = "Instruct: Given a scientific claim, retrieve documents that support or refute the claim"
    assert read == [f"{instruction}\nQuery:0-dimensional biomaterials<|endoftext|>"]


def test_a_document_bears_nothing_but_the_end_token() -> None:
    assert instructed().documents(["Alterations of the architecture"]) == ["Alterations of the architecture<|endoftext|>"]


@given(st.text(), st.integers(0, 1))
def test_the_end_token_stands_there_once(text: str, has_it: int) -> None:
    body = text.replace(END, "")
    for read in (*instructed().documents([body + END * has_it]), *instructed().queries([body + END * has_it], "STS12")):
        assert read.count(END) == 1
        assert read.endswith(END)


def test_a_model_without_prompt_reads_texts_as_they_are() -> None:
    assert Reading().queries(["a", ""], "AnyTask") == ["a", ""]
    assert Reading().documents(["a"]) == ["a"]


def test_every_task_of_the_english_benchmarks_has_an_instruction() -> None:
    known = mteb.load()
    members = {member for task in known.tasks.values() for member in task.mean_of}
    for name in {*known.tasks, *members}:
        assert instructed().instruction(name), name


@pytest.mark.skipif(not PAPER.is_file(), reason="the paper's text is not here")
def test_the_instructions_are_those_of_the_papers_table() -> None:
    table = PAPER.read_text(encoding="utf-8").partition("Table 10:")[2].partition("In fact, based on")[0]
    printed = dict(re.findall(r"^(\S+)\t(.+)$", table, flags=re.MULTILINE))
    assert len(printed) == 47
    for name, instruction in printed.items():
        for task in ("BIOSSES", "SICK-R", "STS16", "STS22") if name == "STS*" else (SHORTENED.get(name, name),):
            assert instructed().instruction(task) == instruction, task


def test_a_task_without_instruction_is_an_error_that_says_how_to_give_one() -> None:
    with pytest.raises(ConfigError) as wrong:
        instructed().queries(["a"], "MyTask")
    assert "no instruction for the task MyTask" in wrong.value.message
    assert "task_instructions: {MyTask: …}" in wrong.value.hint


def test_a_configurations_own_instruction_counts_before_the_prompts() -> None:
    assert instructed(SciFact="Find it").instruction("SciFact") == "Find it"


def test_a_subset_may_have_an_instruction_of_its_own() -> None:
    assert instructed().instruction("BrightRetrieval", "pony").startswith("Given a question about pony")
    assert instructed().instruction("BrightRetrieval", "aops").startswith("Given a Math problem")


def test_instructions_without_a_prompt_are_refused() -> None:
    with pytest.raises(ConfigError, match="no prompt that they stand in"):
        Reading(None, "", {"SciFact": "Find it"})


def test_a_prompt_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="kind 'listwise'"):
        Reading(prompts.load("e2rank-listwise"))


def test_what_decides_the_texts_is_in_the_data_and_names_are_not_all_of_it() -> None:
    assert instructed().as_data() != instructed(Other="x").as_data()
    assert instructed().as_data() != Reading(prompts.load("e2rank-mteb"), "").as_data()
    assert Reading().as_data() == {"prompt": None, "end_token": ""}


def test_long_texts_are_cut_from_the_right_and_keep_their_end() -> None:
    # A token a word, the end a word: of five words and an end, three and an end fit into four tokens.
    read, cut = fitting(["one two three four five END", "one END"], " END", WordTokens(4))
    assert read == ["one two three END", "one END"]
    assert cut == 1


def test_without_end_token_only_the_text_is_cut() -> None:
    assert fitting(["one two three four five six seven eight nine"], "", WordTokens(3)) == (["one two three"], 1)


def test_an_end_token_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(OverLengthError, match="alone has more"):
        fitting(["one two three four five six"], " THE END", WordTokens(1))


@given(st.lists(st.text(alphabet="ab ", max_size=40)), st.integers(2, 12))
def test_whatever_is_read_fits(texts: list[str], limit: int) -> None:
    tokens = WordTokens(limit)
    read, cut = fitting([f"{text} END" for text in texts], " END", tokens)
    assert all(count <= limit for count in tokens.count_tokens(read))
    assert cut == sum(count > limit for count in tokens.count_tokens([f"{text} END" for text in texts]))

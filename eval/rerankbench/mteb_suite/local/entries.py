"""The suite's tasks as data: name, type, instruction, main score, and where the texts come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rerankbench import prompts
from rerankbench.mteb_suite.local.content import Columns, Searched
from rerankbench.mteb_suite.local.searched import mini, mini_lists, scifact
from rerankbench.mteb_suite.local.written import WRITTEN

LOCAL = "local"
"""The suite's name, where a benchmark of mteb is named."""

_OWN = "apache-2.0"


@dataclass(frozen=True)
class Entry:
    """A task of the suite.

    Attributes:
        type: Of mteb's task types.
        main_score: The measure that is the task's score, as mteb names it.
        instruction: The task in words; of retrieval and reranking it goes before queries alone.
        benchmark: Of ours, whose texts are searched; empty where the texts were written for the task.
    """

    name: str
    type: str
    main_score: str
    instruction: str
    description: str
    benchmark: str = ""
    licence: str = _OWN

    def content(self, mirror: Path | None) -> Columns | Searched:
        """Raises: MissingData: the mirror lacks a file, or there is none. DataError: a file is damaged."""
        if self.benchmark == "scifact":
            return scifact(mirror)
        if self.benchmark:
            return mini_lists() if self.type == "Reranking" else mini()
        return WRITTEN[self.type]()


def _told(benchmark: str) -> str:
    """The instruction that a benchmark's queries have everywhere else."""
    return prompts.load("e2rank-query").for_benchmark(benchmark).values["task"]


def entries() -> tuple[Entry, ...]:
    """The suite, in the order of the paper's task types."""
    return (
        Entry("LocalMiniRetrieval", "Retrieval", "ndcg_at_10", _told("mini"), "Questions of mini over its 338 documents.", "mini"),
        Entry(
            "LocalSciFactRetrieval",
            "Retrieval",
            "ndcg_at_10",
            _told("scifact"),
            "SciFact of BEIR as the local mirror has it: 300 claims over 5,183 abstracts.",
            "scifact",
            "https://creativecommons.org/licenses/by-nc/2.0/",
        ),
        Entry(
            "LocalReranking",
            "Reranking",
            "ndcg_at_10",
            _told("mini"),
            "The 50 documents that BM25 found for each question of mini.",
            "mini",
        ),
        Entry("LocalClustering", "Clustering", "v_measure", "Identify the topic of the given messages", "Messages on eight topics."),
        Entry(
            "LocalPairClassification",
            "PairClassification",
            "max_ap",
            "Retrieve sentences that say the same as the given sentence",
            "Paraphrases beside sentences of nearly the same words and another meaning.",
        ),
        Entry(
            "LocalClassification",
            "Classification",
            "accuracy",
            "Classify the intent of the given message: question, complaint, praise, request, warning or plan",
            "Messages of six intents; things and wordings of the test were not seen in training.",
        ),
        Entry(
            "LocalSTS",
            "STS",
            "cosine_spearman",
            "Retrieve semantically similar text",
            "Pairs of sentences graded from 0 to 5 by a stated rule.",
        ),
        Entry(
            "LocalSummarization",
            "Summarization",
            "cosine_spearman",
            "Given a news summary, retrieve other semantically similar summaries",
            "Summaries of short news, graded from 1 to 5 by a stated rule.",
        ),
    )


NAMES = tuple(
    f"Local{name}"
    for name in (
        "MiniRetrieval",
        "SciFactRetrieval",
        "Reranking",
        "Clustering",
        "PairClassification",
        "Classification",
        "STS",
        "Summarization",
    )
)
"""Of the tasks, in the order of `entries`."""

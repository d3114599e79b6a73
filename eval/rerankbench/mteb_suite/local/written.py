"""Texts written for the suite (the YAML files beside this module), made into rows. Damaged files are refused with file and key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from rerankbench.config import Options, read_yaml, validate
from rerankbench.config.options import Model
from rerankbench.errors import ConfigError, DataError
from rerankbench.mteb_suite.local.content import Columns

HERE = Path(__file__).parent
THING = "{thing}"
GRADES = ("5", "4", "3", "2", "1")
UNRELATED = 7
"""How many entries further down a sentence finds one that has nothing to do with it; all were read through."""

Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]


class Split(Options):
    """Things of a topic or frames of an intent: those of one split are never seen in the other."""

    train: Texts
    test: Texts


class Messages(Options):
    """
    Attributes:
        topics: Topic → things that a message may be about.
        intents: Intent → sentences with ``{thing}`` in the place of the thing.
    """

    topics: dict[str, Split]
    intents: dict[str, Split]

    @model_validator(mode="after")
    def _frames_have_one_place(self) -> Self:
        wrong = [frame for split in self.intents.values() for frame in (*split.train, *split.test) if frame.count(THING) != 1]
        if wrong:
            raise ValueError(f"a frame holds {THING} once: {wrong[0]!r}")
        if min(len(self.topics), len(self.intents)) < 2:
            raise ValueError("two topics and two intents are the least that can be told apart")
        return self


class Paraphrase(Options):
    """A sentence, two paraphrases of it (near to its words, and far from them), and a sentence of like words and another meaning."""

    sentence: Text
    close: Text
    same: Text
    other: Text


class Paraphrases(Options):
    pairs: Annotated[tuple[Paraphrase, ...], Field(min_length=2 * UNRELATED + 1)]


class Similar(Options):
    sentence: Text
    five: Text = Field(alias="5")
    four: Text = Field(alias="4")
    three: Text = Field(alias="3")
    two: Text = Field(alias="2")
    one: Text = Field(alias="1")

    @property
    def graded(self) -> list[tuple[str, int]]:
        """Text and grade, best first."""
        return [(self.five, 5), (self.four, 4), (self.three, 3), (self.two, 2), (self.one, 1)]


class Similarity(Options):
    sentences: Annotated[tuple[Similar, ...], Field(min_length=UNRELATED + 1)]


class Summaries(Options):
    """
    Attributes:
        human: Summaries that those to be judged are compared with.
        machine: Grade → the summary to be judged.
    """

    text: Text
    human: Texts
    machine: dict[str, Text]

    @model_validator(mode="after")
    def _each_grade_once(self) -> Self:
        if sorted(self.machine) != sorted(GRADES):
            raise ValueError(f"'machine' has a summary of each grade {', '.join(GRADES)}, not of {', '.join(self.machine) or 'none'}")
        return self


class Summarized(Options):
    texts: Annotated[tuple[Summaries, ...], Field(min_length=1)]


def intents(folder: Path = HERE) -> Columns:
    """Rows of the classification task: a message, and which intent it has, numbered in the file's order.

    Raises:
        DataError: the file is damaged, here as below.
    """
    file = _read(Messages, folder / "messages.yaml")
    number = {intent: n for n, intent in enumerate(file.intents)}
    rows = {split: list(messages(file, split)) for split in ("train", "test")}
    return Columns({s: {"text": [r[0] for r in of], "label": [number[r[2]] for r in of]} for s, of in rows.items()})


def topics(folder: Path = HERE) -> Columns:
    """Rows of the clustering task: all messages, and which topic each is about."""
    file = _read(Messages, folder / "messages.yaml")
    number = {topic: n for n, topic in enumerate(file.topics)}
    rows = [row for split in ("train", "test") for row in messages(file, split)]
    return Columns({"test": {"sentences": [r[0] for r in rows], "labels": [number[r[1]] for r in rows]}})


def messages(file: Messages, split: str) -> Iterator[tuple[str, str, str]]:
    """Text, topic and intent of every thing with every intent.

    The frames of an intent take turns over the things, and each topic begins with the next one, so that a frame tells no topic.
    """
    for first, (topic, things) in enumerate(file.topics.items()):
        for n, thing in enumerate(getattr(things, split)):
            for intent, frames in file.intents.items():
                choice = getattr(frames, split)
                text = choice[(first + n) % len(choice)].replace(THING, thing)
                yield text[0].upper() + text[1:], topic, intent


def paraphrase_pairs(folder: Path = HERE) -> Columns:
    """Rows of the pair classification task: two sentences, and 1 where the second says the same as the first, else 0: two of five are 1."""
    pairs = _read(Paraphrases, folder / "paraphrases.yaml").pairs
    rows = []
    for n, pair in enumerate(pairs):
        unrelated = [pairs[(n + further) % len(pairs)].same for further in (UNRELATED, 2 * UNRELATED)]
        rows += [(pair.sentence, text, 1) for text in (pair.close, pair.same)]
        rows += [(pair.sentence, text, 0) for text in (pair.other, *unrelated)]
    return _test(rows, "sentence1", "sentence2", "labels")


def similar_pairs(folder: Path = HERE) -> Columns:
    """Rows of the STS task: two sentences and the grade of their likeness, 0 to 5."""
    entries = _read(Similarity, folder / "similarity.yaml").sentences
    rows = []
    for n, entry in enumerate(entries):
        unrelated = entries[(n + UNRELATED) % len(entries)].sentence
        rows += [(entry.sentence, text, float(grade)) for text, grade in [*entry.graded, (unrelated, 0)]]
    return _test(rows, "sentence1", "sentence2", "score")


def summaries(folder: Path = HERE) -> Columns:
    """Rows of the summarization task: a text, its summaries by hand, those to be judged, and their grades, 1 to 5."""
    rows = []
    for entry in _read(Summarized, folder / "summaries.yaml").texts:
        # In alphabetical order: the file has the best first, and no order may tell a grade.
        judged = sorted((summary, int(grade)) for grade, summary in entry.machine.items())
        rows.append((entry.text, list(entry.human), [text for text, _ in judged], [grade for _, grade in judged]))
    return _test(rows, "text", "human_summaries", "machine_summaries", "relevance")


WRITTEN: dict[str, Callable[[], Columns]] = {
    "Clustering": topics,
    "PairClassification": paraphrase_pairs,
    "Classification": intents,
    "STS": similar_pairs,
    "Summarization": summaries,
}
"""Task type → what reads its rows."""


def _test(rows: Sequence[tuple[object, ...]], *names: str) -> Columns:
    return Columns({"test": dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))})


def _read(model: type[Model], path: Path) -> Model:
    try:
        file = read_yaml(path)
        return validate(model, file.data, file.place)
    except ConfigError as error:
        raise DataError(f"A local task's texts cannot be read. {error}", hint="They come with the package: install it again.") from error

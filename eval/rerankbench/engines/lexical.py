"""An engine without a model: hashed word counts as vectors, word overlap as a listwise answer.

It is deterministic, needs nothing but numpy, and lets the whole harness run on any machine. As an embedder it is the classical
vector space model: the vector of a listwise prompt is (but for damping) the sum of the query's and the documents' vectors, so ranking
by it is Rocchio's pseudo-relevance feedback (Rocchio, 1971), which is what E2Rank likens its own prompt to. It knows no
collection: there is no inverse document frequency, only a list of English function words that hardly count.
"""

from __future__ import annotations

import math
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from rerankbench import config
from rerankbench.protocols import Floats
from rerankbench.records import Call, Finish, Prompt

_FUNCTION_WORDS = """
    a about above after again against ain all also although always am among an and any are aren as at be because been before being
    below between both but by can cannot could couldn d did didn do does doesn doing don done down during each either else etc ever
    every few for from further get gets had hadn has hasn have haven having he her here hers herself him himself his how however i
    if in into is isn it its itself just let ll m many may me might more most much must my myself neither no nor not now of off
    often on once one only or other our ours ourselves out over own per rather re s same shall she should shouldn so some such t
    than that the their theirs them themselves then there these they this those through thus to too under until up upon us ve very
    was wasn we were weren what when where whether which while who whom whose why will with within without won would wouldn yet you
    your yours yourself yourselves
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())

_FUNCTION_WEIGHT = 0.02  # not zero: "to be or not to be" must not be a text without content
_DAMPED = tuple(1.0 + math.log(n) if n else 0.0 for n in range(4096))
_REMEMBERED_WORDS = 1 << 18

# What a model's tokenizer reads as one special token, the role after the start of a chat turn, and identifiers such as [12].
_MARKUP = re.compile(
    r"<\|im_start\|>\w*|<\|[^|<>\s]{1,40}\|>|</?(?:s|think|bos|eos|pad|unk|start_of_turn|end_of_turn)>|\[(?:CLS|SEP|PAD|MASK|UNK|/?INST|\d+)\]"
)
_ASCII_WORD = re.compile(r"[a-z0-9]+")
# Scripts that put no blank between words: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
# Python's \w leaves out combining marks, which would cut Indic words at every vowel sign.
_ANY_WORD = re.compile(rf"[{_UNSPACED}]+|(?:[^\W_{_UNSPACED}]|[\u0300-\u036f\u0900-\u0dff])+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")


class LexicalOptions(config.Options):
    """
    Attributes:
        dims: Length of the vectors. Words are hashed to it, so a small one makes unrelated words share a place.
    """

    dims: int = Field(default=4096, ge=16, le=1 << 20)


class LexicalEngine:
    """Word counts in place of a language model; a text's vector does not depend on its batch, bit by bit."""

    Options: ClassVar = LexicalOptions
    name: ClassVar[str] = "lexical"
    caveat: ClassVar[str] = "lexical is not a language model: hashed word counts and word overlap"

    def __init__(self, options: LexicalOptions) -> None:
        self.options = options
        self._codes: dict[str, int] = {}

    @classmethod
    def provenance(cls, options: LexicalOptions) -> dict[str, str]:
        """Names the version of the algorithm, to be raised with every change of its output."""
        del options
        return {"lexical": "1"}

    def embed(self, texts: Sequence[str]) -> Floats:
        vectors = np.zeros((len(texts), self.options.dims), dtype=np.float32)
        for row, text in enumerate(texts):
            slots = self._slots(text)
            # In Python floats, text by text: a reduction over a whole batch may round differently with the batch's shape.
            norm = math.sqrt(math.fsum(v * v for v in slots.values()))
            if norm > 0.0:
                vectors[row, list(slots)] = [v / norm for v in slots.values()]
        return vectors

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        """Answer listwise prompts by BM25 within the window. A token is a word between blanks here."""
        return [self._answer(prompt, max_tokens, stop) for prompt in prompts]

    def synchronise(self) -> None:
        """There is no device."""

    def close(self) -> None:
        self._codes.clear()

    def _slots(self, text: str) -> dict[int, float]:
        """The text's vector before it is brought to unit length: place → value."""
        slots: dict[int, float] = {}
        for code, count in Counter(map(self._code, words(text))).items():
            damped = _DAMPED[min(count, len(_DAMPED) - 1)] * (_FUNCTION_WEIGHT if code & 1 else 1.0)
            slot = code >> 2
            slots[slot] = slots.get(slot, 0.0) + (damped if code & 2 else -damped)
        return slots

    def _code(self, word: str) -> int:
        """Place, sign and function word of a word's stem in one number: ``place << 2 | positive << 1 | function``."""
        code = self._codes.get(word)
        if code is None:
            if len(self._codes) >= _REMEMBERED_WORDS:
                self._codes.clear()
            bits = int.from_bytes(blake2b(stem(word).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
            code = (bits >> 1) % self.options.dims << 2 | (bits & 1) << 1 | (word in FUNCTION_WORDS)
            self._codes[word] = code
        return code

    def _answer(self, prompt: Prompt, max_tokens: int, stop: Sequence[str]) -> Call:
        start = time.perf_counter()
        window = read_window(prompt)
        if window is None:
            text = "This prompt holds no numbered passages with a search query that word overlap could read."
        else:
            text = " > ".join(f"[{position + 1}]" for position in order_by_overlap(window.query, window.passages))
        return ended(text, prompt, max_tokens, stop, start)


def ended(text: str, prompt: Prompt, max_tokens: int, stop: Sequence[str], start: float) -> Call:
    """An answer cut as a model's would end: before the first stop text, or after `max_tokens` words between blanks.

    Args:
        start: When the work on it began, by `time.perf_counter`.
    """
    kept = " ".join(text.split(" ")[:max_tokens])
    cut = min((at for at in map(kept.find, filter(None, stop)) if at >= 0), default=None)
    finish: Finish = "length" if cut is None and len(kept) < len(text) else "stop"
    kept = kept[:cut]
    return Call(count_words(prompt), len(kept.split(" ")), time.perf_counter() - start, text=kept, finish=finish)


def words(text: str) -> list[str]:
    """The words of a text in order, lower-cased; scripts without blanks give overlapping pairs of characters. Markup is no word."""
    if "<" in text or "[" in text:
        text = _MARKUP.sub(" ", text)
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    found = _ANY_WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return [part for word in found for part in _parts(word)]


def _parts(word: str) -> Iterator[str]:
    if len(word) < 2 or not _IS_UNSPACED.match(word):
        yield word
    else:
        yield from (word[i : i + 2] for i in range(len(word) - 1))


def stem(word: str) -> str:
    """Fold English plurals into singulars, after the "S stemmer" (Harman, 1991)."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us")):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    return word[:-1]


def count_words(prompt: Prompt) -> int:
    """Words between blanks, over all messages of a chat."""
    return len(prompt.split()) if isinstance(prompt, str) else sum(len(m.content.split()) for m in prompt.messages)


class Window(NamedTuple):
    """What a listwise prompt asks to rank: `passages[0]` is ``[1]``."""

    query: str
    passages: tuple[str, ...]


_IDENTIFIER = re.compile(r"^[ \t]*\[(\d+)\][ \t]?", re.MULTILINE)
_QUERY_LINE = re.compile(r"^[ \t]*Search Query:[ \t]*", re.MULTILINE)
_AFTER_QUERY = re.compile(r"\.?[ \t]*\n\s*Rank the (?:\d+ )?passages")


def read_window(prompt: Prompt) -> Window | None:
    """Read passages and query from a RankGPT-style prompt, single-turn or one passage a message; None when there are none.

    Identifiers count only at the start of a line (of a message) and in the sequence 1, 2, 3 …, so that ``[3]`` or ``[2] > [1]`` within
    a passage is text. The query is what follows the last line that starts with ``Search Query:``.
    """
    turns = [prompt] if isinstance(prompt, str) else [m.content for m in prompt.messages if m.role == "user"]
    body = "\n".join(turns)
    query_lines = list(_QUERY_LINE.finditer(body))
    if not query_lines:
        return None
    passages = (_one_a_turn(turns) if len(turns) > 1 else []) or _one_a_line(body[: query_lines[-1].start()])
    query = body[query_lines[-1].end() :]
    end = _AFTER_QUERY.search(query)
    query = query[: end.start()] if end else query
    return Window(query.strip().removesuffix("."), tuple(passages)) if passages else None


def _one_a_turn(turns: Sequence[str]) -> list[str]:
    passages: list[str] = []
    for turn in turns:
        found = _IDENTIFIER.match(turn)
        if found and int(found[1]) == len(passages) + 1:
            passages.append(turn[found.end() :].strip())
    return passages


def _one_a_line(body: str) -> list[str]:
    starts: list[re.Match[str]] = []
    for found in _IDENTIFIER.finditer(body):
        if int(found[1]) == len(starts) + 1:
            starts.append(found)
    ends = [*(following.start() for following in starts[1:]), len(body)]
    return [body[found.end() : end].strip() for found, end in zip(starts, ends, strict=False)]


def order_by_overlap(query: str, passages: Sequence[str]) -> list[int]:
    """Positions by falling BM25 (k1 = 0.9, b = 0.4) with frequencies of this window alone; ties keep the incoming order.

    Function words of the query count only where it holds nothing else.
    """
    stems = [stem(w) for w in words(query)]
    asked = set(stems) - FUNCTION_WORDS or set(stems)
    bags = [Counter(map(stem, words(p))) for p in passages]
    lengths = [sum(bag.values()) for bag in bags]
    mean_length = sum(lengths) / len(lengths) or 1.0
    frequency = {s: sum(s in bag for bag in bags) for s in asked}
    idf = {s: math.log(1 + (len(bags) - n + 0.5) / (n + 0.5)) for s, n in frequency.items()}
    scores = [_bm25(bag, idf, length / mean_length) for bag, length in zip(bags, lengths, strict=True)]
    return sorted(range(len(scores)), key=lambda position: -scores[position])


def _bm25(bag: Mapping[str, int], idf: Mapping[str, float], relative_length: float) -> float:
    saturation = 0.9 * (1 - 0.4 + 0.4 * relative_length)
    return math.fsum(weight * bag[s] / (bag[s] + saturation) for s, weight in idf.items() if s in bag)

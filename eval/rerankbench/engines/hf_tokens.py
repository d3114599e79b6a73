"""How a model's tokenizer reads a text: counts, cuts and chats, with the end token exactly once. Knows no weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from rerankbench.errors import EngineError, OverLengthError
from rerankbench.records import Chat, Prompt

Ids = NDArray[np.int32]
Key = TypeVar("Key")
Value = TypeVar("Value")
_MEMO_BYTES = 256 << 20
"""A ranker has lengths checked before it asks for vectors or answers: what is dropped between the two is tokenised twice. 300 queries with
100 documents of 500 words each take 170 MB."""
_CUT_BYTES = 64 << 20
"""To find where a text is cut takes three readings of it, and the same document is cut for every query that has it."""


class HfTokens:
    """A fast tokenizer of the transformers library.

    Special tokens that stand in a text (``<|endoftext|>``) are read as such. Where the tokenizer also adds special tokens by itself
    (Qwen3-Embedding ends every text with ``<|endoftext|>``, Qwen3 and E2Rank do not) and the text already carries them at that
    place, they are not doubled: a document with the end token written out reads the same under both.

    Args:
        tokenizer: A `PreTrainedTokenizerFast`.
        max_tokens: The longest input, special tokens included.
        add_special_tokens: Whether the tokenizer may add special tokens of its own.

    Raises:
        EngineError: the tokenizer is not a fast one, so it cannot say where its tokens end.
    """

    def __init__(self, tokenizer: Any, *, max_tokens: int, add_special_tokens: bool = True) -> None:
        if not tokenizer.is_fast:
            raise EngineError(f"Tokenizer {type(tokenizer).__name__} is not a fast one: it cannot say where its tokens end.")
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self._add_special_tokens = add_special_tokens
        self._before, self._after = self._added() if add_special_tokens else ([], [])
        self._read: _Memo[tuple[str, bool], Ids] = _Memo(_MEMO_BYTES)
        self._cuts: _Memo[tuple[str, int], int] = _Memo(_CUT_BYTES)

    @property
    def has_chat_template(self) -> bool:
        return bool(self.tokenizer.chat_template)

    def render_chat(self, chat: Chat) -> str:
        """The chat as the model's template writes it, with the answer's beginning behind it.

        Raises:
            EngineError: the tokenizer has no template, or the template refuses these messages.
        """
        if not self.has_chat_template:
            raise EngineError("This model's tokenizer has no chat template.", hint="Use a prompt without a chat, or a chat model.")
        from jinja2 import TemplateError

        turns = [{"role": m.role, "content": m.content} for m in chat.messages]
        try:
            text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, enable_thinking=chat.thinking)
        except TemplateError as error:
            raise EngineError(f"The model's chat template refuses roles {[m.role for m in chat.messages]}: {error}") from error
        return str(text) + chat.answer

    def encode(self, texts: Sequence[str], *, special: bool = True) -> list[Ids]:
        """Token ids of each text; what was asked before is remembered. Nothing is cut.

        Args:
            special: False leaves out the special tokens that the tokenizer would add, e.g. for a rendered chat.
        """
        # Where none are added, a chat that was counted as a text is not tokenised a second time as a prompt.
        special = special and bool(self._before or self._after)
        once = {text: self._read.get((text, special)) for text in dict.fromkeys(texts)}
        missing = [text for text, ids in once.items() if ids is None]
        fresh = dict(zip(missing, self._encode(missing, special), strict=True)) if missing else {}
        for text, ids in fresh.items():
            self._read.keep((text, special), ids, len(text) + ids.nbytes)
        known = {text: ids for text, ids in once.items() if ids is not None} | fresh
        return [known[text] for text in texts]

    def forget(self) -> None:
        """Remember no text: the next one is tokenised as if it were the first."""
        self._read.clear()
        self._cuts.clear()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in self.encode(texts)]

    def truncate(self, text: str, max_tokens: int) -> str:
        """The longest beginning of `text`, cut at a token's end, that counts at most `max_tokens` tokens.

        Raises:
            OverLengthError: not even the empty text fits, because of the special tokens that the tokenizer adds.
        """
        if self.count_tokens([text])[0] <= max_tokens:
            return text
        end = self._cuts.get((text, max_tokens))
        if end is None:
            end = self._cut(text, max_tokens)
            self._cuts.keep((text, max_tokens), end, len(text))
        return text[:end]

    def label_ids(self, labels: Sequence[str], *, at_start: bool = False) -> list[int]:
        """The one token of each label where it goes on behind a text.

        A vocabulary of sentencepiece marks where words begin (``▁``), and encoding a label alone would begin one: there ``"A"`` is the
        piece ``A``, as behind ``[``, and ``" true"`` the piece ``▁true``.

        Args:
            at_start: The label is the first of an encoder-decoder model's answer, where a word begins without a blank.

        Raises:
            EngineError: a label is not exactly one token.
        """
        marks_words = "▁" in "".join(self.tokenizer.tokenize(" a"))
        return [self._marked_label_id(label, at_start) if marks_words else self._label_id(label) for label in labels]

    def prompt_ids(self, prompts: Sequence[Prompt]) -> list[Ids]:
        """Token ids of prompts: a raw one with the tokenizer's special tokens, a chat with those that its template writes.

        Raises:
            EngineError: a prompt has not a single token, so that nothing can follow it; or a chat cannot be rendered.
        """
        ids = [self.encode([p])[0] if isinstance(p, str) else self.encode([self.render_chat(p)], special=False)[0] for p in prompts]
        empty = next((position for position, i in enumerate(ids) if not len(i)), None)
        if empty is not None:
            raise EngineError(f"An empty prompt cannot be continued: number {empty + 1} has not a single token.")
        return ids

    def answer_ids(self, answers: Sequence[str], max_tokens: int) -> list[Ids]:
        """Token ids of answers as a model would write them, without the end token that comes behind.

        Raises:
            EngineError: an answer with its end token has more than `max_tokens` tokens.
        """
        ids = self.encode(answers, special=False)
        longest = max(map(len, ids), default=0) + 1
        if longest > max_tokens:
            raise EngineError(
                f"An answer that is forced has {longest} tokens with its end, more than the {max_tokens} that an answer may have.",
                hint="Raise the ranker's max_new_tokens, or show fewer documents at a time.",
            )
        return ids

    def check_lengths(self, counts: Sequence[int], max_tokens: int | None = None) -> None:
        """
        Raises:
            OverLengthError: an input is longer than `max_tokens` (the engine's own limit by default).
        """
        limit = self.max_tokens if max_tokens is None else max_tokens
        long = [position for position, count in enumerate(counts) if count > limit]
        if long:
            raise OverLengthError(
                f"{len(long)} of {len(counts)} inputs are longer than {limit} tokens; the first is number {long[0] + 1} with "
                f"{counts[long[0]]} tokens. Nothing is cut silently.",
                hint="Let the ranker shorten its inputs, or raise the engine's max_tokens where the model allows it.",
            )

    def _cut(self, text: str, max_tokens: int) -> int:
        for end in self._ends(text, max_tokens):
            # A beginning may be read in other tokens than the whole was, also in more: count it as what it is.
            if len(self._encode([text[:end]], self._add_special_tokens)[0]) <= max_tokens:
                return end
        raise OverLengthError(f"{max_tokens} tokens hold no text at all: the tokenizer adds {len(self._before + self._after)} of its own.")

    def _ends(self, text: str, max_tokens: int) -> Iterator[int]:
        """Ends of the first `max_tokens` tokens of `text`, the last first, then 0."""
        offsets = self._call([text], special=False, offsets=True)["offset_mapping"][0]
        yield from dict.fromkeys(end for _, end in reversed(offsets[: max(max_tokens, 0)]))
        yield 0

    def _encode(self, texts: Sequence[str], special: bool) -> list[Ids]:
        ids = self._call(texts, special=special)["input_ids"]
        return [np.asarray(self._without_doubles(i) if special else i, dtype=np.int32) for i in ids]

    def _call(self, texts: Sequence[str], *, special: bool, offsets: bool = False) -> Any:
        # Without truncation=False a limit or padding stored in tokenizer.json stays in force (all-MiniLM-L6-v2 cuts at 128).
        return self.tokenizer(
            list(texts),
            add_special_tokens=special,
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=offsets,
            verbose=False,
        )

    def _label_id(self, label: str) -> int:
        ids = self._call([label], special=False)["input_ids"][0]
        # Some tokenizers begin a word by themselves here too: then the token says more than the label.
        if len(ids) != 1 or self.tokenizer.decode(ids, clean_up_tokenization_spaces=False) != label:
            raise self._not_one_token(label)
        return int(ids[0])

    def _marked_label_id(self, label: str, at_start: bool) -> int:
        piece = label.replace(" ", "▁")
        if at_start and label and not piece.startswith("▁") and label not in self.tokenizer.get_added_vocab():
            piece = f"▁{piece}"
        found = self.tokenizer.backend_tokenizer.token_to_id(piece)
        if found is None:
            raise self._not_one_token(label)
        return int(found)

    def _not_one_token(self, label: str) -> EngineError:
        return EngineError(
            f"Label {label!r} is not exactly one token of this model: alone it reads as {self.tokenizer.tokenize(label)}.",
            hint="A label is scored as the next token: choose labels that are single tokens, blank included where a word begins.",
        )

    def _added(self) -> tuple[list[int], list[int]]:
        """Ids that the tokenizer puts before and after a text by itself."""
        plain, full = (self._call(["a"], special=special)["input_ids"][0] for special in (False, True))
        start = next((i for i in range(len(full)) if full[i : i + len(plain)] == plain), None)
        if start is None:
            raise EngineError("This tokenizer reads a text in other tokens once it adds special ones: they cannot be told apart.")
        return full[:start], full[start + len(plain) :]

    def _without_doubles(self, ids: list[int]) -> list[int]:
        before, after = self._before, self._after
        if after and ids[-2 * len(after) :] == after * 2:
            ids = ids[: -len(after)]
        if before and ids[: 2 * len(before)] == before * 2:
            ids = ids[len(before) :]
        return ids


class _Memo(Generic[Key, Value]):
    """Values by key: the most recently used ones, as many as take so many bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def keep(self, key: Key, value: Value, size: int) -> None:
        _, before = self._values.pop(key, (None, 0))
        self._values[key] = (value, size)
        self._bytes += size - before
        while self._bytes > self._max_bytes:
            _, (_, dropped) = self._values.popitem(last=False)
            self._bytes -= dropped

    def clear(self) -> None:
        self._values.clear()
        self._bytes = 0


class ReadsTokens:
    """The Tokens and ChatTemplate capabilities of an engine that has a tokenizer.

    Attributes:
        tokens: Set by the engine's constructor.
    """

    tokens: HfTokens

    @property
    def max_tokens(self) -> int:
        return self.tokens.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self.tokens.count_tokens(texts)

    def truncate(self, text: str, max_tokens: int) -> str:
        return self.tokens.truncate(text, max_tokens)

    @property
    def has_chat_template(self) -> bool:
        return self.tokens.has_chat_template

    def render_chat(self, chat: Chat) -> str:
        return self.tokens.render_chat(chat)

    def forget_inputs(self) -> None:
        self.tokens.forget()


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a model's folder; no network."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, padding_side="left", local_files_only=True, trust_remote_code=False)

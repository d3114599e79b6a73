"""Wrap an engine so that it is asked each question once: answers are looked for in memory, then on disk, then computed.

Knows what can be asked of an engine, and nothing of files: `cache_values` makes keys and bytes, `disk_cache` keeps them.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from rerankbench.engines.cache_values import Asked, Keys, call, calls_as_bytes, scores, scores_as_bytes, vectors, vectors_as_bytes
from rerankbench.engines.disk_cache import DiskCache
from rerankbench.errors import EngineError
from rerankbench.protocols import Doubles, Engine, Floats, ScoreKind
from rerankbench.records import Call, Prompt

_CAPABILITIES = (
    ("max_tokens", "count_tokens", "truncate"),
    ("has_chat_template", "render_chat"),
    ("embed",),
    ("generate",),
    ("generate_pattern",),
    ("generate_forced",),  # never kept: it is asked for its time
    ("forget_inputs",),
    ("label_scores",),
    ("score_pairs", "pair_tokens"),
    ("generate_fused",),
    ("score_lists",),
)
"""The members of each."""

Counts = Mapping[str, Mapping[str, int]]
"""Capability → how many questions were asked, and where their answers came from: ``asked = preloaded + memory + disk + computed``."""

Question = TypeVar("Question", bound=Sequence[Asked])


class CachedEngine:
    """An engine whose answers are kept by what was asked. What the inner engine can do, this can do too, and nothing else.

    Vectors are always kept, other answers where there is a disk cache. A server whose answers differ from one time to the next is
    taken at the first of them.

    An answer out of a cache takes no time, so a latency among which there are some is no latency of the engine: `counts` tells.

    Attributes:
        inner: The engine that does the work.
        disk: Where answers are kept longer than this process lives.

    Args:
        inner: A loaded engine.
        max_bytes: What answers may take in memory. The least recently used go first; a batch larger than that is still answered.
        disk: Opened for the fingerprint of this very engine, and closed with it. None keeps nothing across runs.
    """

    name: ClassVar[str] = "cached"
    caveat: ClassVar[str] = ""

    def __init__(self, inner: Engine, *, max_bytes: int = 2 << 30, disk: DiskCache | None = None) -> None:
        self.inner = inner
        self.disk = disk
        self._able: Any = inner  # asked for members that only some engines have, and only where this one has them
        self._keys = Keys(disk.fingerprint if disk else "")
        self._memory = _Memory(max_bytes)
        self._preloaded: dict[bytes, bytes] = {}
        self._counts: dict[str, Counter[str]] = {}
        # Set on the instance, not found through __getattr__: since Python 3.12 isinstance() of a runtime protocol looks attributes up
        # statically, and would deny a delegated capability.
        self.__dict__.update(name=inner.name, caveat=inner.caveat, **self._members())

    def counts(self, since: Counts | None = None) -> dict[str, dict[str, int]]:
        """What was asked so far and who answered, by capability that was asked; with earlier counts, only what came after them.

        A question that comes again within one call is answered from memory.
        """
        before = since or {}
        counts = {name: {k: n - before.get(name, {}).get(k, 0) for k, n in counter.items()} for name, counter in self._counts.items()}
        return {name: counter for name, counter in counts.items() if counter["asked"]}

    def preload(self, texts: Sequence[str], made: Floats) -> None:
        """Answer with these vectors from now on, whatever else is kept for these texts. They never reach the disk.

        Args:
            made: Shape (texts, dimensions): made elsewhere, nearly as this engine would make them.
        """
        keys = self._keys.of("embed", ((text,) for text in texts))
        self._preloaded.update(zip(keys, vectors_as_bytes(made), strict=True))

    def forget_preloaded(self) -> None:
        """Drop what was not embedded here: such vectors may be rounded, and are not for everybody who asks for the text."""
        self._preloaded.clear()

    def synchronise(self) -> None:
        self.inner.synchronise()

    def close(self) -> None:
        self._preloaded.clear()
        self._memory.clear()
        if self.disk is not None:
            self.disk.close()
        self.inner.close()

    def _members(self) -> dict[str, Any]:
        """What the inner engine has, and in its place what is answered from here."""
        own: dict[str, Any] = {"embed": self._embed}
        if self.disk is not None:
            own |= {
                "generate": self._generate,
                "generate_pattern": self._generate_pattern,
                "generate_fused": self._generate_fused,
                "label_scores": self._label_scores,
                "score_pairs": self._score_pairs,
                "score_lists": self._score_lists,
            }
        able = [name for names in _CAPABILITIES if all(hasattr(self.inner, n) for n in names) for name in names]
        return {name: own.get(name) or getattr(self.inner, name) for name in able}

    def _embed(self, texts: Sequence[str]) -> Floats:
        if not texts:
            none: Floats = self._able.embed(texts)  # the engine alone knows how long its vectors are
            return none
        values, _ = self._answers("embed", [(t,) for t in texts], lambda new: vectors_as_bytes(self._able.embed([t for (t,) in new])))
        try:
            return vectors(values)
        except ValueError as error:
            raise EngineError(
                f"Engine {self.inner.name!r} gives vectors of another length than those kept of it: {error}.",
                hint=self.disk.how_to_prune if self.disk else "",
            ) from error

    def _generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        questions = [(prompt, max_tokens, tuple(stop)) for prompt in prompts]
        return self._calls("generate", questions, lambda new: self._able.generate([q[0] for q in new], max_tokens=max_tokens, stop=stop))

    def _generate_pattern(self, prompts: Sequence[Prompt], *, max_tokens: int, patterns: Sequence[str]) -> list[Call]:
        def ask(new: Sequence[tuple[Prompt, str, int]]) -> Sequence[Call]:
            found: Sequence[Call] = self._able.generate_pattern([q[0] for q in new], max_tokens=max_tokens, patterns=[q[1] for q in new])
            return found

        return self._calls("generate_pattern", [(p, pattern, max_tokens) for p, pattern in zip(prompts, patterns, strict=True)], ask)

    def _generate_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int) -> list[Call]:
        questions = [(group, max_tokens) for group in groups]
        return self._calls("generate_fused", questions, lambda new: self._able.generate_fused([q[0] for q in new], max_tokens=max_tokens))

    def _label_scores(self, prompts: Sequence[Prompt], labels: Sequence[str], *, kind: ScoreKind = "logprob") -> Doubles:
        def ask(new: Sequence[tuple[Prompt, Sequence[str], str]]) -> list[bytes]:
            return scores_as_bytes(self._able.label_scores([q[0] for q in new], labels, kind=kind))

        values, _ = self._answers("label_scores", [(prompt, tuple(labels), kind) for prompt in prompts], ask)
        return scores(values, width=len(labels))

    def _score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Doubles:
        values, _ = self._answers("score_pairs", pairs, lambda new: scores_as_bytes(self._able.score_pairs(new)))
        return scores(values, width=1)[:, 0]

    def _score_lists(self, lists: Sequence[tuple[str, Sequence[str]]]) -> list[Doubles]:
        values, _ = self._answers("score_lists", lists, lambda new: scores_as_bytes(self._able.score_lists(new)))
        return [scores([value], width=len(documents))[0] for value, (_, documents) in zip(values, lists, strict=True)]

    def _calls(self, capability: str, questions: Sequence[Question], ask: Callable[[Sequence[Question]], Sequence[Call]]) -> list[Call]:
        values, fresh = self._answers(capability, questions, lambda new: calls_as_bytes(ask(new)))
        return [call(value, fresh=now) for value, now in zip(values, fresh, strict=True)]

    def _answers(
        self, capability: str, questions: Sequence[Question], ask: Callable[[Sequence[Question]], Sequence[bytes]]
    ) -> tuple[list[bytes], list[bool]]:
        """
        Args:
            ask: Asks the engine what no cache can answer, each question once.

        Returns:
            The answer to each question, and whether it was computed now.
        """
        keys = self._keys.of(capability, questions)
        once = dict(zip(keys, questions, strict=True))
        given = {key: self._preloaded[key] for key in once if key in self._preloaded}
        values = given | self._memory.find(key for key in once if key not in given)
        kept = self.disk.get([key for key in once if key not in values]) if self.disk else {}
        values |= kept
        missing = {key: question for key, question in once.items() if key not in values}
        made = dict(zip(missing, ask(list(missing.values())), strict=True)) if missing else {}
        values |= made
        if self.disk:
            self.disk.put(made)
        self._memory.keep(kept)
        self._memory.keep(made)
        self._note(capability, asked=len(keys), preloaded=sum(key in given for key in keys), disk=len(kept), computed=len(made))
        return [values[key] for key in keys], [key in made for key in keys]

    def _note(self, capability: str, *, asked: int, preloaded: int, disk: int, computed: int) -> None:
        memory = asked - preloaded - disk - computed
        counter = self._counts.setdefault(capability, Counter())
        counter.update(asked=asked, preloaded=preloaded, memory=memory, disk=disk, computed=computed)


class _Memory:
    """Values by key, the most recently used ones."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._values: OrderedDict[bytes, bytes] = OrderedDict()

    def find(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        found = {key: self._values[key] for key in keys if key in self._values}
        for key in found:
            self._values.move_to_end(key)
        return found

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        for key, value in values.items():
            self._bytes += len(value) - len(self._values.pop(key, b""))
            self._values[key] = value
        while self._bytes > self._max_bytes:
            _, dropped = self._values.popitem(last=False)
            self._bytes -= len(dropped)

    def clear(self) -> None:
        self._values.clear()
        self._bytes = 0

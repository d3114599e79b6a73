"""What a system would send to its engine for one candidate list, to the byte, without the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from rerankbench.benchmarks import Collection, OwnCollection
from rerankbench.clock import Clock
from rerankbench.config import Options, System
from rerankbench.engines.hf_tokens import HfTokens, load_tokenizer
from rerankbench.engines.recorder import Recorder, TokenizingRecorder
from rerankbench.errors import MissingData, MissingExtra, UsageError
from rerankbench.plan import ranker_class
from rerankbench.protocols import Parts, Ranker
from rerankbench.records import CandidateList, DefectKind, Prompt

UNLIMITED = 10**9
"""More tokens than any input has: for engines that do not say what they take."""


def preview(system: System, benchmark: Collection | OwnCollection, candidates: CandidateList, tokenizer: Path | None) -> Mapping[str, Any]:
    """Let the system's ranker work on an engine that only keeps what it is asked.

    Args:
        tokenizer: Folder of the model's tokenizer. Without one no chat template is applied and nothing is shortened.

    Returns:
        The query, the prompt's name and hash, the defects, and under ``inputs`` the texts: the first of every kind that is asked, and
        for an embedder the prompt that holds the query, and the first document.

    Raises:
        UsageError: the system reads no prompt, or the folder holds no tokenizer.
        MissingData: the list is a bare run, without text.
        MissingExtra: a tokenizer is named, and the package that reads it is not installed.
    """
    found = ranker_class(system)
    if not found.needs(system.ranker.options):
        raise UsageError(f"System {system.name!r} reads no prompt: its ranker is {system.ranker.kind!r}.")
    engine = _recorder(system, tokenizer)
    if found.reads_text and not candidates.has_text:
        raise MissingData(
            f"Only the order of this list of {benchmark.name} is at hand, not the documents' text, which the prompt shows.",
            hint="Put lists with text (.jsonl) into the data folder.",
        )
    limits = _token_limits(system.ranker.options)
    counts = isinstance(engine, TokenizingRecorder)
    options = system.ranker.options if counts else system.ranker.options.model_copy(update=dict.fromkeys(limits))
    ranker = cast("Ranker", found.build(options, Parts(benchmark.name, engine, benchmark.qrels, Clock())))
    (ranked,) = ranker.rank([candidates])
    inputs = _inputs(engine)
    return {
        "system": system.name,
        "benchmark": benchmark.name,
        "query": f"{candidates.query.id}: {candidates.query.text}",
        "chat template": _template_note(system, engine),
        "prompt files": ", ".join(f"{name} {h[:16]}" for name, h in found.provenance(system.ranker.options, benchmark.name).items()),
        "limits in tokens": _limits_note(limits, counts),
        "defects": "; ".join(f"{d.kind.value} ×{d.count}: {d.detail}" for d in ranked.defects if d.kind not in OF_ANSWERS) or "none",
        "inputs": [_input(what, engine, prompt) for what, prompt in inputs],
    }


OF_ANSWERS = {
    DefectKind.UNPARSEABLE,
    DefectKind.REPEATED,
    DefectKind.MISSING,
    DefectKind.OUT_OF_RANGE,
    DefectKind.REASONING_WITHOUT_ANSWER,
}
"""Defects of answers, of which a preview has none."""


def _token_limits(options: Options) -> list[str]:
    """The limits that only an engine which counts tokens can keep."""
    names = {"max_document_tokens", "max_query_tokens", "max_prompt_tokens"} & type(options).model_fields.keys()
    return sorted(name for name in names if getattr(options, name) is not None)


def _limits_note(limits: Sequence[str], counts: bool) -> str:
    if not limits:
        return "none of the ranker's"
    return f"{', '.join(limits)} {'applied' if counts else 'not applied: no tokenizer at hand (--tokenizer DIR)'}"


NAMES = {
    "generate": "first prompt",
    "score": "first prompt whose next token is scored",
    "pair": "first pair: the query, and below it the document",
    "text": "first text that is encoded on its own",
    "list": "first list: the query, and below it the documents",
}


def _inputs(engine: Recorder) -> list[tuple[str, Prompt]]:
    """What is looked at, and what it is called."""
    if engine.embedded:
        documents, prompts = engine.embedded[0], engine.embedded[-1]
        return [("prompt", prompts[0]), (f"first of {len(documents)} documents", documents[0])]
    first: dict[str, Prompt] = {}
    for what, inputs in engine.asked:
        if inputs:
            first.setdefault(what, inputs[0])
    return [(NAMES[what], prompt) for what, prompt in first.items()]


def _recorder(system: System, tokenizer: Path | None) -> Recorder:
    if tokenizer is None:
        return Recorder()
    limit = getattr(system.engine.options, "max_tokens", None) if system.engine else None
    return TokenizingRecorder(HfTokens(_loaded(tokenizer), max_tokens=limit or UNLIMITED), limit or UNLIMITED)


def _loaded(folder: Path) -> Any:
    """Raises: UsageError: the folder holds no tokenizer. MissingExtra: the library is not installed."""
    if not folder.is_dir():
        raise UsageError(f"--tokenizer {folder}: there is no such folder.")
    try:
        return load_tokenizer(folder)
    except ImportError as error:
        raise MissingExtra("a tokenizer", "transformers", str(error)) from error
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"--tokenizer {folder}: holds no tokenizer that can be read.", hint="tokenizer.json is needed") from error


def _template_note(system: System, engine: Recorder) -> str:
    if isinstance(engine, TokenizingRecorder):
        return "the tokenizer's" if engine.has_chat_template else "none: this tokenizer has no chat template"
    if system.engine is not None and system.engine.kind == "lexical":
        return "none: this engine has none"
    return "not applied: no tokenizer at hand (--tokenizer DIR)"


def _input(what: str, engine: Recorder, prompt: Prompt) -> dict[str, Any]:
    tokenizing = engine if isinstance(engine, TokenizingRecorder) else None
    if isinstance(prompt, str):
        text = prompt
    elif tokenizing is not None and tokenizing.has_chat_template:
        text = tokenizing.render_chat(prompt)
    else:
        text = "\n".join(f"<{message.role}>\n{message.content}" for message in prompt.messages) + prompt.answer
    tokens = tokenizing.count_tokens([text])[0] if tokenizing else None
    return {"what": what, "text": text, "tokens": tokens, "sha256": hashlib.sha256(text.encode()).hexdigest()}

"""What was sent to a model for a query and what it answered, cut to a size that a page can carry; what is left out is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rerankbench.config import fingerprint
from rerankbench.errors import RerankbenchError, UsageError
from rerankbench.preview import preview
from rerankbench.records import CandidateList, Ranked
from rerankbench.site.model import ShownList, ShownRun

LIST_CHARACTERS = 8_000_000
"""Of prompts and answers that one candidate list's pages may carry; queries behind that have none."""
_HEAD, _TAIL = 8_000, 4_000
_ANSWERS, _ANSWER = 12, 2_000
_NOTES = ("chat template", "prompt files", "limits in tokens", "defects")


class SentTexts:
    """The prompts and answers of one candidate list's queries, in its order, until the room is used up.

    Prompts are made again from the system's options, without the engine, as `preview` does; those of systems that differ in weights
    alone are made once.
    """

    def __init__(self, shown: ShownList, room: int = LIST_CHARACTERS) -> None:
        self._shown = shown
        self._room = room

    def of(self, candidates: CandidateList, ranked: Mapping[str, Ranked]) -> dict[str, Any] | None:
        """What the page of a query carries; None when the room is used up.

        Args:
            ranked: Name of the run → what it made of this query.
        """
        if self._room <= 0:
            return None
        inputs: dict[str, dict[str, Any]] = {}
        made: dict[str, Mapping[str, Any]] = {}
        systems = {}
        for run in self._shown.runs:
            if run.name in ranked:
                prompt = self._prompt(run, candidates, made)
                sent = [_cut(item) for item in prompt.get("inputs", ())]
                inputs.update({item["sha256"]: item for item in sent})
                notes = [[name, prompt[name]] for name in _NOTES if name in prompt]
                why = {"why": prompt["why"]} if "why" in prompt else {}
                systems[run.name] = {**why, "notes": notes, "inputs": [i["sha256"] for i in sent], **_answers(ranked[run.name])}
        self._room -= _size(inputs, systems)
        return {"inputs": inputs, "systems": systems}

    def _prompt(self, run: ShownRun, candidates: CandidateList, made: dict[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        engine = run.system.engine.kind if run.system.engine else ""
        key = fingerprint([run.system.ranker.as_data(), engine])
        if key not in made:
            made[key] = self._previewed(run, candidates)
        return made[key]

    def _previewed(self, run: ShownRun, candidates: CandidateList) -> Mapping[str, Any]:
        try:
            return preview(run.system, self._shown.benchmark, candidates, None)
        except UsageError:
            return {"why": "This system sends no prompt."}
        except RerankbenchError as problem:
            return {"why": f"The prompt cannot be made again here: {problem.message}"}


def _cut(item: Mapping[str, Any]) -> dict[str, Any]:
    """An input with its middle left out where it is long: a listwise prompt ends with the query."""
    text, facts = item["text"], {key: item[key] for key in ("what", "tokens", "sha256")}
    if len(text) <= _HEAD + _TAIL:
        return {**facts, "head": text, "cut": 0, "tail": ""}
    return {**facts, "head": text[:_HEAD], "cut": len(text) - _HEAD - _TAIL, "tail": text[-_TAIL:]}


def _answers(ranked: Ranked) -> dict[str, Any]:
    calls = ranked.calls
    written = [
        {
            "phase": call.phase,
            "prompt_tokens": call.prompt_tokens,
            "completion_tokens": call.completion_tokens,
            "finish": call.finish,
            "text": call.text[:_ANSWER],
            "cut": max(0, len(call.text) - _ANSWER),
        }
        for call in calls
        if call.text
    ]
    tokens = {"prompt_tokens": sum(c.prompt_tokens for c in calls), "completion_tokens": sum(c.completion_tokens for c in calls)}
    return {"calls": len(calls), **tokens, "answers": written[:_ANSWERS], "more_answers": max(0, len(written) - _ANSWERS)}


def _size(inputs: Mapping[str, Mapping[str, Any]], systems: Mapping[str, Mapping[str, Any]]) -> int:
    answers: Sequence[Mapping[str, Any]] = [answer for system in systems.values() for answer in system["answers"]]
    return sum(len(i["head"]) + len(i["tail"]) for i in inputs.values()) + sum(len(answer["text"]) for answer in answers)

"""An engine of one second a call, in a module that configurations can name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from load.virtual import VirtualPace
from rerankbench.engines.scripted import ScriptedEngine
from rerankbench.errors import EngineError
from rerankbench.records import Call, Prompt


class Slow(ScriptedEngine):
    """One second a call, on a clock without seconds, however many prompts; the query that `fails_at` names fails."""

    name: ClassVar[str] = "slow"
    pace: ClassVar[VirtualPace] = VirtualPace()
    fails_at: ClassVar[str] = ""
    loaded: ClassVar[int] = 0
    calls: ClassVar[list[int]] = []

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        type(self).loaded += 1

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        self.pace.wait_until(self.pace.now() + 1.0)
        self.calls.append(len(prompts))
        if self.fails_at and any(self.fails_at in str(prompt) for prompt in prompts):
            raise EngineError("the device is on fire")
        return super().generate(prompts, max_tokens=max_tokens, stop=stop)

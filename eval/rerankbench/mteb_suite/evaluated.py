"""A row of a table as mteb meets it: a name, a revision, and all that the revision stands for. Loads no model and needs no mteb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rerankbench import prompts
from rerankbench.config import MtebSystem, System
from rerankbench.errors import UsageError
from rerankbench.mteb_suite.identity import model_name, revision_of
from rerankbench.mteb_suite.reading import Reading
from rerankbench.plan import engine_class, engine_identity, ranker_class


@dataclass(frozen=True)
class Evaluated:
    """A row that is evaluated here.

    Attributes:
        own: What is evaluated: its engine where texts are embedded, its ranker where candidate lists are ranked.
        engine: The engine's options and weights; None for a ranker without one.
        instructions: Task → instruction, beside those of its prompt.
    """

    system: MtebSystem
    own: System
    engine: Mapping[str, Any] | None
    instructions: Mapping[str, str]

    @property
    def model(self) -> str:
        """As mteb names it."""
        return model_name(self.system.name, self.system.model)

    @cached_property
    def revision(self) -> str:
        """Changes with everything that decides a score."""
        return revision_of(self.engine, self.use)

    @cached_property
    def reading(self) -> Reading:
        """Raises: ConfigError: there is no such prompt, or it is of another kind."""
        prompt = prompts.load(self.system.prompt) if self.system.prompt else None
        return Reading(prompt, self.system.end_token, self.instructions if prompt else {})

    @property
    def use(self) -> Mapping[str, Any]:
        """What is done with the engine, JSON-able."""
        return self._ranking() if self.system.reranks else {"reads": self.reading.as_data()}

    def _ranking(self) -> Mapping[str, Any]:
        kind, options, over = ranker_class(self.own), self.own.ranker.options, self.system.over
        chosen = {k: v for k, v in self.own.ranker.as_data().items() if k not in options.NEUTRAL}
        # Before 'order' was said, a row over another one met the candidates of reranking tasks in the order of the data as well.
        beneath = {"of": evaluated(over, self.instructions).revision, "depth": self.system.depth, "order": "theirs"} if over else None
        return {
            "ranker": {**chosen, "prompts": dict(kind.provenance(options, ""))},
            "candidates": {"of reranking tasks": "shuffled by their ids", "of retrieval tasks": beneath},
        }


def evaluated(system: MtebSystem, instructions: Mapping[str, str]) -> Evaluated:
    """What a row of a table is to mteb.

    Args:
        instructions: Task → instruction, of the configuration.

    Raises:
        UsageError: the row is of published results alone.
        MissingError: its weights, or a package, are not at hand.
        ConfigError: its engine lacks what its ranker needs.
    """
    own = system.system
    if own is None:
        raise UsageError(f"{system.name} is not evaluated here: its results are read where they are published.")
    engine_class(own)
    return Evaluated(system, own, engine_identity(own), instructions)

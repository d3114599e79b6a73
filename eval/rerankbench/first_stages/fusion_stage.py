"""A first stage made of others: each retrieves, and their lists are fused. Knows the parts by their kinds alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from pydantic import Field, ValidationInfo, field_validator

from rerankbench import config, registry
from rerankbench.errors import ConfigError, MissingExtra
from rerankbench.first_stages.fusion import checked_parameters, fuse
from rerankbench.protocols import BuildsFirstStage, Closes, Corpus, FirstStage
from rerankbench.records import CandidateList, Query

BEHAVIOUR = "1"
"""Part of what names the lists. Raised whenever the same options and lists would be fused otherwise than before."""


class FusionOptions(config.Options):
    """
    Attributes:
        stages: Two or more first stages, each ``{kind: …, option: …}``; ``{kind: file, path: …}`` is a file of lists. The first
            one's order breaks ties.
        method: See `fusion.RANK_METHODS` and `fusion.SCORE_METHODS`.
        parameters: What the method takes, e.g. ``{k: 60}`` or ``{norm: min-max, weights: [0.3, 0.7]}``.
        part_depth: How deep each part's lists are; None: as deep as the fused ones. A document far down in one list can come up
            by another one, so that deeper parts may give better lists.
    """

    stages: tuple[dict[str, Any], ...]
    method: str = "rrf"
    parameters: dict[str, Any] = Field(default={}, validate_default=True)
    part_depth: int | None = Field(default=None, ge=1)

    @field_validator("stages")
    @classmethod
    def _checked_stages(cls, stages: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        """With every option, defaults included."""
        try:
            return tuple(_part(stage, number).as_data() for number, stage in enumerate(stages))
        except ConfigError as error:
            raise ValueError(error.message) from error  # pydantic then adds the place in the file

    @field_validator("parameters")
    @classmethod
    def _checked_parameters(cls, parameters: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """With every parameter, defaults included."""
        if not {"stages", "method"} <= info.data.keys():
            return parameters  # what is wrong there is said there
        try:
            return checked_parameters(info.data["method"], len(info.data["stages"]), parameters)
        except ConfigError as error:
            raise ValueError(error.message) from error


class FusionFirstStage:
    """Retrieves with every part, then fuses (see `fusion.fuse`).

    Args:
        stages: As many as the options name, in their order.
    """

    Options = FusionOptions
    name: ClassVar[str] = "fusion"

    def __init__(self, options: FusionOptions, stages: Sequence[FirstStage]) -> None:
        self._options = options
        self._stages = stages

    @classmethod
    def build(cls, options: object, workspace: Path) -> Self:
        """Raises: MissingError: a part is not at hand."""
        checked = cls.Options.model_validate(options)
        return cls(checked, [kind.build(part.options, workspace) for kind, part in _kinds(checked)])

    @classmethod
    def provenance(cls, options: object) -> Mapping[str, str]:
        """What decides each part's lists, and ranx's version where it does the fusing.

        Raises:
            MissingError: a part, or ranx, is not at hand.
        """
        checked = cls.Options.model_validate(options)
        found = {"fusion": BEHAVIOUR}
        if checked.method != "rrf":
            found["ranx"] = _ranx_version()
        for number, (kind, part) in enumerate(_kinds(checked)):
            found |= {f"stages.{number}.{name}": value for name, value in kind.provenance(part.options).items()}
        return found

    def retrieve(self, corpus: Corpus, queries: Sequence[Query], depth: int) -> list[CandidateList]:
        """The fused lists, one a query, same order.

        Raises: as the parts do, and as `fusion.fuse`.
        """
        part_depth = max(depth, self._options.part_depth or depth)
        lists = [stage.retrieve(corpus, queries, part_depth) for stage in self._stages]
        return fuse(lists, self._options.method, depth, **self._options.parameters)

    def close(self) -> None:
        """Give back what the parts hold."""
        for stage in self._stages:
            if isinstance(stage, Closes):
                stage.close()


def _part(data: Mapping[str, Any], number: int) -> config.Part:
    return config.build_part("first_stage", data, lambda key: ".".join(map(str, ("stages", number, *key))))


def _kinds(options: FusionOptions) -> list[tuple[type[BuildsFirstStage], config.Part]]:
    parts = [_part(stage, number) for number, stage in enumerate(options.stages)]
    return [(cast("type[BuildsFirstStage]", registry.find("first_stage", part.kind)), part) for part in parts]


def _ranx_version() -> str:
    try:
        return metadata.version("ranx")
    except metadata.PackageNotFoundError as error:
        raise MissingExtra("fusion with ranx", "retrieval", str(error)) from error

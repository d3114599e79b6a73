"""The base of every part of a configuration, and the one place where pydantic's complaints become ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar, get_args

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from rerankbench.errors import ConfigError, nearest


class Options(BaseModel):
    """Frozen, no unknown key, no silent conversion of types.

    Attributes:
        NEUTRAL: Options that can change no answer (patience, limits of spending): they are no part of a run's identity, so that a
            stopped run goes on under others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    NEUTRAL: ClassVar[frozenset[str]] = frozenset()


Model = TypeVar("Model", bound=BaseModel)
Place = Callable[[tuple[str | int, ...]], str]
"""Names a key of a file for a person, e.g. ``configs/table1.yaml:12: key 'systems.0.ranker.window'``."""


def validate(model: type[Model], data: Any, place: Place) -> Model:
    """Check `data`, as YAML gave it, against `model`.

    Raises:
        ConfigError: all that is wrong at once, each with file, key and the nearest valid names.
    """
    try:
        # Through JSON, because pydantic's strict mode then takes a list for a tuple, which YAML cannot write.
        return model.model_validate_json(orjson.dumps(data))
    except ValidationError as error:
        problems = [f"{place(_without_tags(data, tuple(e['loc'])))}: {_explain(model, e)}" for e in error.errors()]
        raise ConfigError("\n".join(problems)) from error
    except orjson.JSONEncodeError as error:
        raise ConfigError(f"{place(())}: holds a value that is neither text, number, list nor mapping ({error})") from error


def below(place: Place, *prefix: str | int) -> Place:
    """The same place, seen from inside the key `prefix`."""
    return lambda key: place((*prefix, *key))


def _explain(model: type[BaseModel], error: Any) -> str:
    loc = tuple(error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown key {loc[-1]!r}. {nearest(str(loc[-1]), _fields(model, loc[:-1]))}"
    if error["type"] == "missing":
        return "this key is needed, and is missing"
    if error["type"] == "literal_error":
        return f"{error['msg'].replace('Input should', 'should')}, got {error['input']!r}"
    got = "" if isinstance(error["input"], dict) else f", got {error['input']!r}"  # a whole mapping would bury the message
    return f"{error['msg'].replace('Input should', 'should').removeprefix('Value error, ')}{got}"


def _without_tags(data: Any, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A place as it stands in the file: pydantic adds the ``kind`` of a part that may be of several kinds."""
    kept: list[str | int] = []
    for key in loc:
        if isinstance(data, Mapping) and key not in data and key == data.get("kind"):
            continue
        kept.append(key)
        inside = (isinstance(data, Mapping) and key in data) or (isinstance(data, list) and isinstance(key, int) and key < len(data))
        data = data[key] if inside else None
    return tuple(kept)


def _fields(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The keys that are valid at `path` below `model`; those of `model` itself where the path leads through no model."""
    of_kinds: list[type[BaseModel]] = []
    for key in path:
        field = model.model_fields.get(str(key))
        if field is None:
            model = next((m for m in of_kinds if key in get_args(m.model_fields["kind"].annotation)), model)
            continue
        inner = list(_models(field.annotation))
        of_kinds = inner if all("kind" in m.model_fields for m in inner) else []
        model = inner[0] if inner else model
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation holds, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)

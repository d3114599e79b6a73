"""Strict YAML: a key that stands twice is refused, every key knows its line, values can be set from the command line."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from rerankbench.errors import ConfigError

Path_ = tuple[str | int, ...]


# Ten times as fast, where PyYAML was built with libyaml, as its wheels are.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Base):  # type: ignore[misc]
    """SafeLoader keeps the last of two equal keys without a word; here the second is an error. What looks like a date stays text."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # "<<" brings keys to be laid over, which is no repetition
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a list or mapping cannot be a key", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands here a second time", key_node.start_mark)
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


@dataclass(frozen=True, eq=False)
class YamlFile:
    """A YAML mapping with the line of each of its keys. Compared by identity: `read_yaml` gives the same one for the same text.

    Attributes:
        path: As the user named it, for messages.
        data: The mapping. Not to be changed: `with_value` gives a new file.
    """

    path: str
    data: Mapping[str, Any]
    lines: Mapping[Path_, int] = field(default_factory=dict)

    def place(self, key: Path_) -> str:
        """``file:line: key 'a.b.0'``, with the line of the nearest enclosing key that stands in the file."""
        line = next((self.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.lines), None)
        where = f"{self.path}:{line}" if line else self.path
        return f"{where}: key '{'.'.join(map(str, key))}'" if key else where

    def with_value(self, assignment: str) -> YamlFile:
        """Set one value, given as ``a.b.c=VALUE`` with VALUE in YAML.

        A key of the file that holds dots itself is found as a whole: in ``engines.e2rank-0.6b.model`` the second key is ``e2rank-0.6b``.

        Raises:
            ConfigError: no ``=``, or the path leads through something that is no mapping.
        """
        dotted, equals, text = assignment.partition("=")
        if not equals or not dotted:
            raise ConfigError(f"--set {assignment!r}: expected KEY=VALUE, e.g. --set engines.minilm.model=DIR")
        try:
            value = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 a subclass of SafeLoader
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {assignment!r}: the value is no YAML: {error}") from error
        return YamlFile(self.path, _set(self.data, dotted, value, assignment), self.lines)


def _set(node: Any, dotted: str, value: Any, assignment: str) -> Any:
    """A copy of `node` with `value` at `dotted`; mappings on the way are made where they are missing."""
    if not dotted:
        return value
    key, rest = _first_key(node, dotted)
    if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
        return [_set(item, rest, value, assignment) if i == int(key) else item for i, item in enumerate(node)]
    if node is None or isinstance(node, Mapping):
        return {**(node or {}), key: _set((node or {}).get(key), rest, value, assignment)}
    raise ConfigError(f"--set {assignment!r}: {key!r} cannot be set inside {node!r}")


def _first_key(node: Any, dotted: str) -> tuple[str, str]:
    """The longest key of `node` that `dotted` begins with, else all up to the first dot; and the rest behind it."""
    known = [key for key in node if isinstance(key, str)] if isinstance(node, Mapping) else []
    found = max((key for key in known if f"{dotted}.".startswith(f"{key}.")), key=len, default=dotted.partition(".")[0])
    return found, dotted[len(found) + 1 :]


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML file whose top level is a mapping. What was read before, and is the same text still, is not parsed again.

    Raises:
        ConfigError: the file cannot be read, is no YAML, holds a key twice, or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return _parsed(str(path), text)


@lru_cache(maxsize=256)
def _parsed(path: str, text: str) -> YamlFile:
    """Raises: ConfigError: see `read_yaml`."""
    lines: dict[Path_, int] = {}
    loader = _StrictLoader(text)
    try:
        root = loader.get_single_node()
        _collect_lines(root, (), lines)  # before anything is made of it: a merge ("<<") rewrites the nodes
        data = None if root is None else loader.construct_document(root)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: an alias (*name) stands inside of what it names") from error
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        found = "nothing" if data is None else type(data).__name__
        raise ConfigError(f"{path}: expected a mapping of keys at the top level, found {found}")
    return YamlFile(path, data, lines)


def _collect_lines(node: yaml.Node | None, at: Path_, lines: dict[Path_, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines[(*at, str(key.value))] = key.start_mark.line + 1
            _collect_lines(value, (*at, str(key.value)), lines)
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            lines[(*at, i)] = item.start_mark.line + 1
            _collect_lines(item, (*at, i), lines)

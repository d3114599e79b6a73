"""Strict YAML: a key that stands twice is refused, every key knows its line, values can be set from the command line."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rerankbench.errors import ConfigError

Path_ = tuple[str | int, ...]


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader keeps the last of two equal keys without a word; here the second is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # "<<" brings keys to be laid over, which is no repetition
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands here a second time", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class YamlFile:
    """A YAML mapping with the line of each of its keys.

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

        Raises:
            ConfigError: no ``=``, or the path leads through something that is no mapping.
        """
        dotted, equals, text = assignment.partition("=")
        if not equals or not dotted:
            raise ConfigError(f"--set {assignment!r}: expected KEY=VALUE, e.g. --set engines.minilm.model=DIR")
        keys = tuple(int(k) if k.isdigit() else k for k in dotted.split("."))
        try:
            value = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 a subclass of SafeLoader
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {assignment!r}: the value is no YAML: {error}") from error
        return YamlFile(self.path, _set(self.data, keys, value, assignment), self.lines)


def _set(node: Any, keys: Path_, value: Any, assignment: str) -> Any:
    """A copy of `node` with `value` at `keys`; mappings on the way are made where they are missing."""
    if not keys:
        return value
    key, *rest = keys
    if isinstance(node, list) and isinstance(key, int) and key < len(node):
        return [_set(item, tuple(rest), value, assignment) if i == key else item for i, item in enumerate(node)]
    if node is None or isinstance(node, Mapping):
        return {**(node or {}), str(key): _set((node or {}).get(str(key)), tuple(rest), value, assignment)}
    raise ConfigError(f"--set {assignment!r}: {key!r} cannot be set inside {node!r}")


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML file whose top level is a mapping.

    Raises:
        ConfigError: the file cannot be read, is no YAML, holds a key twice, or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        data = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 a subclass of SafeLoader
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a mapping of keys at the top level, found {type(data).__name__}")
    lines: dict[Path_, int] = {}
    if root is not None:
        _collect_lines(root, (), lines)
    return YamlFile(str(path), data, lines)


def _collect_lines(node: yaml.Node, at: Path_, lines: dict[Path_, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines[(*at, str(key.value))] = key.start_mark.line + 1
            _collect_lines(value, (*at, str(key.value)), lines)
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            lines[(*at, i)] = item.start_mark.line + 1
            _collect_lines(item, (*at, i), lines)

"""``rerankbench doctor --golden SYSTEM``: a model beside the outputs that its authors published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from rerankbench.cli.output import print_json, print_table
from rerankbench.errors import UsageError, nearest

if TYPE_CHECKING:
    from rerankbench.golden import Checked

SHARED = ("model", "revision", "max_tokens", "add_special_tokens")
"""Options that mean the same to every engine that loads a model."""


def check_golden(name: str, model: str, engine: str, as_json: bool) -> None:
    """Print the published cosines beside ours, and which side is off where they do not agree."""
    from rerankbench.golden import explain

    checked = _golden(name, model, engine)
    verdict = explain(checked)
    if as_json:
        outputs = [
            {"mode": c.output.mode, "profile": c.output.profile, "agrees": c.agrees, "distance": c.distance, "ours": c.ours.tolist()}
            for c in checked
        ]
        print_json({"system": name, "outputs": outputs, "verdict": verdict})
        return
    rows = [row for c in checked for row in _golden_rows(c)]
    print_table(
        ("mode", "engine", "cosines: a query in braces, a document each", "largest difference", ""), rows, right=("largest difference",)
    )
    typer.echo(verdict)


def _golden_rows(checked: Checked) -> list[list[str]]:
    mode = checked.output.mode
    published = [
        [mode, f"published, {engine}", _matrix(matrix), f"{checked.distance[engine]:.4f}", ""]
        for engine, matrix in checked.output.published.items()
    ]
    verdict = "agrees" if checked.agrees else f"OFF by more than {checked.tolerance:g}"
    return [*published, [mode, "ours", _matrix(checked.ours.tolist()), f"{checked.distance[checked.nearest]:.4f}", verdict]]


def _matrix(rows: Iterable[Iterable[float]]) -> str:
    return " ".join("{" + " ".join(f"{value:.4f}" for value in row) + "}" for row in rows)


def _golden(name: str, model: str, engine: str) -> list[Checked]:
    """
    Raises:
        UsageError: no outputs of such a system were published.
        MissingError: its weights or a package are not at hand.
    """
    from typing import cast

    from rerankbench import golden
    from rerankbench.config import load_systems
    from rerankbench.config.systems import build_part
    from rerankbench.plan import engine_class
    from rerankbench.protocols import Engine
    from rerankbench.reference.golden import load

    known = load()
    if name not in known:
        raise UsageError(f"No outputs of a system {name!r} were published. {nearest(name, known)}")
    system = load_systems()[name]
    written = system.engine.as_data() if system.engine else {}
    changed = {**written, **({"model": model} if model else {})}
    if engine:
        changed = {**{key: changed[key] for key in SHARED if key in changed}, "kind": engine}
    system = replace(system, engine=build_part("engine", changed, lambda _: "--engine"))
    found = engine_class(system)
    if found is None or system.engine is None:
        raise UsageError(f"System {name!r} has no engine that could be checked.")
    loaded = cast("Engine", found(system.engine.options))  # type: ignore[call-arg]  # see BuildsEngine
    try:
        return golden.check(system, loaded, known[name])
    finally:
        loaded.close()

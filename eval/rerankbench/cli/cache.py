"""``rerankbench cache list`` and ``cache prune``: engines' answers that are kept on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rerankbench.cli.options import Answers, Json
from rerankbench.cli.output import print_json, print_table
from rerankbench.errors import UsageError

if TYPE_CHECKING:
    from rerankbench.engines.cache_folders import Kept


def _root(named: Path | None) -> Path:
    """
    Raises:
        UsageError: no folder is named.
    """
    if named is None:
        raise UsageError("Say where the answers are kept: --cache DIR, as given to 'run', or the environment variable RERANKBENCH_ANSWERS.")
    return named


def list_(cache: Answers = None, as_json: Json = False) -> None:
    """List the engines whose answers are kept: how many, how much room they take, and when they were used.

    Examples:

        rerankbench cache list --cache DIR

        rerankbench cache list --cache DIR --json
    """
    from rerankbench.engines.cache_folders import kept

    root = _root(cache)
    folders = kept(root)
    if as_json:
        print_json({"cache": str(root), "engines": [_data(one) for one in folders]})
    elif folders:
        headings = ("engine", "what it is", "answers", "bytes", "first used", "last used")
        print_table(headings, map(_row, folders), right=("answers", "bytes"), title=str(root))
    else:
        typer.echo(f"{root} holds no engine's answers.")


def prune(
    older_than: Annotated[
        float | None, typer.Option("--older-than", metavar="DAYS", min=0, help="Only engines that were not used for so many days.")
    ] = None,
    engine: Annotated[str, typer.Option("--engine", metavar="FP", help="Only the engine whose fingerprint begins like this.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every engine.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")] = False,
    cache: Answers = None,
    as_json: Json = False,
) -> None:
    """Delete the kept answers of engines, without asking. What a running process uses stays.

    Examples:

        rerankbench cache prune --cache DIR --older-than 30 --dry-run

        rerankbench cache prune --cache DIR --engine 0123456789ab

        rerankbench cache prune --cache DIR --all --json
    """
    from rerankbench.engines.cache_folders import kept
    from rerankbench.engines.cache_folders import prune as delete

    if everything == bool(engine or older_than is not None):
        raise UsageError("Say which engines' answers to delete: --all, or --older-than DAYS and/or --engine FP.")
    root = _root(cache)
    chosen = _chosen(kept(root), engine, older_than)
    free = [one for one in chosen if not one.is_in_use]
    gone = free if dry_run else delete(root, free)
    held = [one for one in chosen if one not in gone]
    if as_json:
        said = {"cache": str(root), "dry_run": dry_run, "removed": [_data(one) for one in gone], "in_use": [_data(one) for one in held]}
        print_json({**said, "bytes": sum(one.bytes for one in gone)})
    else:
        _say(gone, held, dry_run=dry_run)


def _chosen(folders: list[Kept], engine: str, older_than: float | None) -> list[Kept]:
    from rerankbench.engines.cache_folders import unused_for

    chosen = [one for one in folders if one.fingerprint.startswith(engine)]
    if engine and len(chosen) != 1:
        found = ", ".join(one.fingerprint[:16] for one in chosen) or "none"
        raise UsageError(
            f"--engine {engine!r} is to begin the fingerprint of one engine; it begins {found}.", hint="rerankbench cache list"
        )
    return chosen if older_than is None else unused_for(chosen, older_than)


def _say(gone: list[Kept], held: list[Kept], *, dry_run: bool) -> None:
    for one in gone:
        typer.echo(f"{'would delete' if dry_run else 'deleted'} {one.fingerprint[:16]} ({_what(one)}): {_count(one)}, {one.bytes:,} bytes")
    for one in held:
        typer.echo(f"kept {one.fingerprint[:16]} ({_what(one)}): a process is using it")
    engines = f"{len(gone)} engine{'' if len(gone) == 1 else 's'}"
    typer.echo(f"{engines}, {sum(one.bytes for one in gone):,} bytes {'would be free' if dry_run else 'are free again'}.")


def _data(one: Kept) -> dict[str, Any]:
    return {
        "fingerprint": one.fingerprint,
        "engine": one.engine,
        "answers": one.answers,
        "bytes": one.bytes,
        "first_used": one.first_used.isoformat() if one.first_used else None,
        "last_used": one.last_used.isoformat() if one.last_used else None,
        "in_use": one.is_in_use,
    }


def _row(one: Kept) -> list[str]:
    days = [f"{day:%Y-%m-%d %H:%M}" if day else "?" for day in (one.first_used, one.last_used)]
    return [one.fingerprint[:16], _what(one), _count(one).split(" ")[0], f"{one.bytes:,}", days[0], "now" if one.is_in_use else days[1]]


def _what(one: Kept) -> str:
    """The engine's description as ``key=value, …``."""
    if one.engine is None:
        return "damaged: nothing says which engine it is"
    return ", ".join(f"{key}={value}" for key, value in one.engine.items())


def _count(one: Kept) -> str:
    return "?" if one.answers is None else f"{one.answers:,} answers"

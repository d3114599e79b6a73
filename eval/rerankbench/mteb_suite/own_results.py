"""Which results in a folder are a row's own: made here, of its prompt, its engine and its weights. Needs neither mteb nor the weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerankbench.config import MtebSystem, System, fingerprint
from rerankbench.errors import ConfigError, MissingError
from rerankbench.mteb_suite.evaluated import Evaluated, evaluated
from rerankbench.mteb_suite.identity import model_name, revision_of
from rerankbench.mteb_suite.results_folder import ledger_path, read_ledger


@dataclass(frozen=True)
class OwnResults:
    """What there is of a row.

    Attributes:
        model, revision: As mteb keeps its results; the revision is empty where none of them is its own, for all that can be known.
        ledger: What became of its tasks; None where nothing was evaluated.
        lacking: What keeps it from being evaluated here; None: nothing that is known.
    """

    model: str
    revision: str = ""
    ledger: Mapping[str, Any] | None = None
    lacking: MissingError | None = None


def own_results(system: MtebSystem, instructions: Mapping[str, str], folders: Iterable[Path]) -> OwnResults:
    """What was evaluated of a row.

    Where its weights are not at hand, as on a machine that only reports, the ledgers tell: its own is the one of the same engine's options
    and the same reading, whatever the weights.

    Args:
        system: A row that is evaluated here.
        folders: Folders of results.

    Raises:
        ConfigError: its prompt is not known, or ledgers of different weights could be its own.
        StoreError: a ledger is damaged.
    """
    own = system.system
    model = model_name(system.name, system.model)
    ledgers = {str(ledger["revision"]): ledger for ledger in ledgers_of(model, folders)}
    try:
        revision, lacking = evaluated(system, instructions).revision, None
    except MissingError as error:
        revision, lacking = (_by_options(system, own, instructions, ledgers) if own else ""), error
    return OwnResults(model, revision, ledgers.get(revision), lacking)


def ledgers_of(model: str, folders: Iterable[Path]) -> Iterator[Mapping[str, Any]]:
    """Of every revision of a model that was evaluated here. Raises: StoreError: one is damaged."""
    for folder in folders:
        for file in sorted(ledger_path(folder, model, "").parent.glob("*.json")):
            found = read_ledger(file)
            if found is not None:
                yield {**found, "revision": file.stem}


def _by_options(system: MtebSystem, own: System, instructions: Mapping[str, str], ledgers: Mapping[str, Mapping[str, Any]]) -> str:
    """The revision whose ledger says of itself what the row says; empty where there is none."""
    try:
        use = Evaluated(system, own, None, instructions).use
    except MissingError:  # of the row whose candidates it would rank
        return ""
    found = [revision for revision, ledger in ledgers.items() if _is_like(own, ledger) and revision_of(ledger["engine"], use) == revision]
    if len(found) > 1:
        raise ConfigError(
            f"The weights of {system.name} are not at hand, and {len(found)} evaluations may be of them: {_shortened(found)}.",
            hint="Name one as its 'revision'.",
        )
    return found[0] if found else ""


def _is_like(own: System, ledger: Mapping[str, Any]) -> bool:
    """Whether the engine had the same options; whose weights it had cannot be told without them."""
    had = ledger.get("engine")
    if own.engine is None or not isinstance(had, Mapping):
        return own.engine is None and had is None
    options = {k: v for k, v in own.engine.as_data().items() if k not in own.engine.options.NEUTRAL | {"model"}}
    return fingerprint(options) == fingerprint({k: had.get(k) for k in options})


def _shortened(revisions: Sequence[str]) -> str:
    return ", ".join(revision[:12] for revision in revisions)

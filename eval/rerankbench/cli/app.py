"""All commands in one place. Heavy imports stay inside the commands: ``--help`` must come at once."""

from __future__ import annotations

from typing import Annotated

import typer

from rerankbench import __version__
from rerankbench.cli import (
    audit_paper,
    build,
    cache,
    candidates,
    compare,
    data,
    doctor,
    explain,
    latency,
    limits,
    load,
    measure,
    mteb_suite,
    report,
    reproduce,
    reproduction,
    rescore,
    run,
    show,
    site,
)

app = typer.Typer(
    name="rerankbench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Evaluate rerankers reproducibly, after the E2Rank paper.",
    epilog="Exit codes: 0 done, 1 error, 2 usage, 3 something is not at hand, 4 the result is incomplete.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rerankbench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Say the version.", callback=_print_version, is_eager=True)] = False,
) -> None:
    pass


app.command("run")(run.run)
app.command("report")(report.report)
app.command("reproduce")(reproduce.reproduce)
app.command("latency")(latency.latency)
app.command("load")(load.load)
app.command("limits")(limits.limits)
app.command("measure")(measure.measure)
app.command("compare")(compare.compare)
app.command("reproduction")(reproduction.reproduction)
app.command("rescore")(rescore.rescore)
app.command("explain")(explain.explain)
app.command("audit-paper")(audit_paper.audit_paper)
app.command("site")(site.site)
app.command("doctor")(doctor.doctor)
app.command("list")(show.list_)
app.command("show")(show.show)
prompt = typer.Typer(no_args_is_help=True, help="Look at prompts as they are sent.")
prompt.command("show")(show.prompt_show)
app.add_typer(prompt, name="prompt")
lists = typer.Typer(no_args_is_help=True, help="Make, look over and compare candidate lists.")
lists.command("build")(build.build)
lists.command("check")(candidates.check)
lists.command("diff")(candidates.diff)
app.add_typer(lists, name="candidates")
kept = typer.Typer(no_args_is_help=True, help="Look over engines' answers that are kept on disk.")
kept.command("list")(cache.list_)
kept.command("prune")(cache.prune)
app.add_typer(kept, name="cache")
sets = typer.Typer(no_args_is_help=True, help="Look over the data of a benchmark.")
sets.command("audit")(data.audit)
app.add_typer(sets, name="data")
app.add_typer(mteb_suite.app, name="mteb")

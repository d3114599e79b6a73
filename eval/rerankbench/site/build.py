"""Writes the site: every page, and the data that pages load when it is asked for. The same runs give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from rerankbench.records import Ranked
from rerankbench.report.html import stylesheet
from rerankbench.reporting import write_figure
from rerankbench.site import list_pages, overview, plot, run_pages
from rerankbench.site.documents import DocumentFiles
from rerankbench.site.folder import MARKER, Writer, replaced
from rerankbench.site.model import Contents, ShownList
from rerankbench.site.names import Names
from rerankbench.store import read_rankings

ASSETS = Path(__file__).with_name("assets")


@dataclass(frozen=True)
class Built:
    """A site that was written.

    Attributes:
        index: The page to open.
        sizes: Path in the site → bytes.
        incomplete: Configurations whose tables lack cells.
    """

    index: Path
    sizes: Mapping[str, int]
    incomplete: tuple[str, ...]


def build_site(contents: Contents, runs: Path, out: Path, *, texts: bool = True) -> Built:
    """Build aside, then put the folder in the place of the one before.

    Args:
        runs: The folder of runs that `contents` was collected from.
        texts: Whether documents' texts, prompts and answers are copied into the site; their licences may forbid giving it away then.

    Raises:
        MissingExtra: the plots' library, or that of figures, is not installed; nothing was written.
        StoreError: `out` holds something that is no site, or a run folder is damaged.
    """
    libraries = plot.libraries()
    with replaced(out) as writer:
        _assets(writer, libraries)
        for table in contents.tables:
            if table.figure is not None:
                writer.adopt(write_figure(table.figure, writer.root / table.drawn))
        overview.write(writer, contents)
        stores: dict[str, DocumentFiles] = {}
        names = Names()
        for shown in contents.lists:
            benchmark = shown.benchmark.name
            if benchmark not in stores:
                stores[benchmark] = DocumentFiles(writer, f"documents/{names.of(benchmark)}", keep=texts)
            _list(writer, contents, shown, runs, stores[benchmark], texts=texts)
        for store in stores.values():
            store.close()
        (writer.root / MARKER).write_bytes(_marker(contents))
    incomplete = tuple(shown.config for shown in contents.tables if shown.incomplete)
    return Built(out / "index.html", writer.sizes, incomplete)


def _list(writer: Writer, contents: Contents, shown: ShownList, runs: Path, store: DocumentFiles, *, texts: bool) -> None:
    """Pages of one candidate list and its runs, whose rankings are held no longer than that."""
    ranked: dict[str, dict[str, Ranked]] = {
        run.name: {one.ranking.query_id: one for one in read_rankings(runs / run.path)} for run in shown.runs
    }
    list_pages.write(writer, shown, ranked, store, texts=texts)
    for run in shown.runs:
        run_pages.write(writer, contents, shown, run, ranked=ranked[run.name], folder=runs / run.path)


def _assets(writer: Writer, libraries: str) -> None:
    writer.write("assets/table.css", stylesheet())
    for file in sorted(ASSETS.iterdir()):
        writer.write(f"assets/{file.name}", file.read_text(encoding="utf-8"))
    writer.write("assets/vega.js", libraries)


def _marker(contents: Contents) -> bytes:
    said = {
        "made_by": "rerankbench site",
        "state": "complete",
        "built_with": contents.environment,
        "tables": [shown.config for shown in contents.tables],
        "runs": [run.path for run in contents.runs],
    }
    return orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

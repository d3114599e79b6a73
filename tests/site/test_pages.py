"""What the site holds, read without a browser: links, texts, numbers, and nothing of the machine."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from laboratory import Watcher
from mteb_folder import write_meta, write_result
from nasty_site import DOCUMENTS, ESCAPING, GRADES, QUERIES, SCRIPT, SYSTEM, Made, build, contents, run, write_configuration
from rerankbench.benchmarks import Benchmarks
from rerankbench.config import load_config, load_experiment
from rerankbench.experiment import Laboratory
from rerankbench.plan import Planner
from rerankbench.site.build import build_site
from rerankbench.site.collect import collect
from rerankbench.site.pages import TEMPLATES


class Page(HTMLParser):
    """Links, ids, scripts and text of a page, as an independent parser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.handlers: list[str] = []
        self.text = ""
        self._script: dict[str, str | None] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [value for name in ("href", "src") if (value := given.get(name))]
        self.ids += [value for value in [given.get("id")] if value]
        self.handlers += [name for name in given if name.startswith("on") or name == "style"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "script":
            self._script = given
            self.scripts.append((given, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.text += data
        else:
            self.scripts[-1] = (self._script, self.scripts[-1][1] + data)


@pytest.fixture(scope="module")
def pages(made: Made) -> dict[str, Page]:
    return {path: Page(made.page(path)) for path in made.pages()}


def test_every_link_leads_to_a_file_of_the_site_and_every_anchor_to_an_id(made: Made, pages: dict[str, Page]) -> None:
    for path, page in pages.items():
        for link in page.links:
            target, anchor = urldefrag(link)
            file = (made.root / path).parent / unquote(target) if target else made.root / path
            assert file.is_file(), f"{path}: {link}"
            assert file.resolve().is_relative_to(made.root.resolve()), f"{path}: {link} leads out of the site"
            if anchor and "=" not in anchor:
                assert anchor in Page(file.read_text(encoding="utf-8")).ids, f"{path}: {link}"


def test_every_page_can_be_reached_from_the_index(pages: dict[str, Page]) -> None:
    reached, waiting = set(), ["index.html"]
    while waiting:
        path = waiting.pop()
        if path not in reached and path in pages:
            reached.add(path)
            base = Path(path).parent
            waiting += [Path(*_normal((base / unquote(urldefrag(link)[0])).parts)).as_posix() for link in pages[path].links]
    assert reached == set(pages)


def _normal(parts: tuple[str, ...]) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if part == "..":
            kept.pop()
        else:
            kept.append(part)
    return kept


def test_no_text_becomes_markup_an_attribute_that_runs_or_a_script(pages: dict[str, Page]) -> None:
    for path, page in pages.items():
        assert not page.handlers, path
        for attributes, content in page.scripts:
            assert attributes.get("src") or attributes.get("type") == "application/json", path
            assert not content or json.loads(content) is not None


def test_nasty_texts_are_shown_as_they_are(made: Made, pages: dict[str, Page]) -> None:
    shown = " ".join(QUERIES["q1"].split())
    of_q1 = next(page for path, page in pages.items() if path.endswith("/queries/q1.html"))
    assert shown in " ".join(of_q1.text.split())
    assert SYSTEM in pages["runs.html"].text
    assert f"Nasty {SCRIPT}" in pages["index.html"].text
    (table,) = [page for path, page in pages.items() if path.startswith("tables/")]
    assert SYSTEM in table.text
    assert " ".join(ESCAPING.split()) in " ".join(table.text.split())


def _provided(made: Made, path: Path) -> tuple[str, object]:
    """What a data file hands over: its arguments are JSON."""
    text = path.read_text(encoding="utf-8")
    inside = text.removeprefix("rerankbench.provide(").removesuffix(");\n")
    name, value = json.loads(f"[{inside}]")
    assert name == path.relative_to(made.root).as_posix()
    return name, value


def _data_files(made: Made) -> list[Path]:
    return [path for path in made.root.rglob("*.js") if path.parent.name != "assets"]


def test_data_files_are_json_without_anything_that_ends_a_script_or_a_line(made: Made) -> None:
    files = _data_files(made)
    assert {path.parent.name for path in files} >= {"nasty", "sent"}
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not re.search("[<>&\u2028\u2029]", text), path
        _provided(made, path)


def test_every_text_is_stored_once(made: Made) -> None:
    texts = [text for path in (made.root / "documents").rglob("*.js") for text, _ in _provided(made, path)[1]]  # type: ignore[attr-defined]
    # 4 queries of 12 documents: d2 is empty and d5 the same in all four, the other ten differ by query.
    assert len(texts) == 10 * 4 + 1 + 1
    assert len(set(texts)) == len(texts)
    assert f"{ESCAPING} of q1" in texts


def _block(page: Page) -> dict[str, object]:
    (content,) = [content for attributes, content in page.scripts if attributes.get("type") == "application/json"]
    found: dict[str, object] = json.loads(content)
    return found


def test_a_query_page_holds_the_orders_of_the_run_files(made: Made, pages: dict[str, Page]) -> None:
    shown = contents(made.experiment, made.runs).lists[0]
    block = _block(pages[shown.queries["q1"]])
    ranked = block["ranked"]
    assert isinstance(ranked, list)
    for run_, found in zip(shown.runs, ranked, strict=True):
        lines = (made.runs / run_.path / "run.trec").read_text(encoding="utf-8").splitlines()
        written = [line.split("\t")[2] if "\t" in line else line.split()[2] for line in lines if line.startswith("q1")]
        assert [f"d{position + 1}" for position in found["order"]] == written
    oracle = ranked[-1]["order"]
    # grades of q1: d3 is 3, d7 is 1; all others are 0 or not judged
    assert [position + 1 for position in oracle[:2]] == [3, 7]


def test_values_on_pages_are_those_of_report(made: Made, pages: dict[str, Page]) -> None:
    shown = contents(made.experiment, made.runs)
    (table,) = shown.tables
    (listed,) = shown.lists
    for run_ in listed.runs:
        cell = next(cell for row, _, cell in table.table.cells() if row.system == run_.label)
        assert cell.points is not None
        assert f"{cell.points:.2f}" in pages[run_.page].text
        assert f"{cell.points:.2f}" in pages["runs.html"].text
    oracle = listed.runs[-1]
    assert oracle.values["nDCG@10"] == dict.fromkeys(GRADES, 1.0)


def test_query_ids_that_are_no_file_names_or_differ_in_case_alone_have_pages_of_their_own(made: Made) -> None:
    pages = contents(made.experiment, made.runs).lists[0].queries
    assert set(pages) == set(QUERIES)
    assert len({page.casefold() for page in pages.values()}) == len(QUERIES)
    assert all((made.root / page).is_file() for page in pages.values())
    assert pages["q1"].endswith("/q1.html")


def test_what_is_missing_is_said_with_its_reason(pages: dict[str, Page]) -> None:
    assert "There is no run file …/run.txt." in pages["missing.html"].text
    assert "There is no run file …/run.txt." in pages["index.html"].text


def test_nothing_tells_the_folders_of_the_machine(made: Made) -> None:
    places = [str(made.runs.parent), str(Path.home()) + "/", str(Path.cwd())]
    for path in made.root.rglob("*"):
        if path.is_file() and path.name != "vega.js":
            text = path.read_text(encoding="utf-8")
            assert not [place for place in places if place in text], path


def test_headings_go_down_step_by_step_and_ids_are_unique(pages: dict[str, Page]) -> None:
    for path, page in pages.items():
        assert page.headings[0] == 1, path
        assert page.headings.count(1) == 1, path
        assert all(later <= earlier + 1 for earlier, later in zip(page.headings, page.headings[1:], strict=False)), path
        assert len(set(page.ids)) == len(page.ids), path


def test_prompts_are_there_with_what_they_hold(made: Made) -> None:
    (path,) = made.root.rglob("sent/q1.js")
    _, sent = _provided(made, path)
    assert isinstance(sent, dict)
    by_label = {run_.label: run_.name for run_ in contents(made.experiment, made.runs).lists[0].runs}
    assert sent["systems"][by_label["oracle"]]["why"] == "This system sends no prompt."
    listwise = sent["systems"][by_label["listwise"]]
    # 12 documents, a window of 4 that moves by 2 from the back: 9-12, 7-10, 5-8, 3-6, 1-4
    assert listwise["calls"] == 5
    assert [answer["phase"] for answer in listwise["answers"]][:2] == ["window 9-12", "window 7-10"]
    prompt = sent["inputs"][listwise["inputs"][0]]
    assert "document 12 of q1" in prompt["head"]


def test_a_site_without_texts_holds_none_of_them(made: Made, tmp_path: Path) -> None:
    build(made.experiment, made.runs, tmp_path / "bare", texts=False)
    assert not (tmp_path / "bare" / "documents").exists()
    assert not list((tmp_path / "bare").rglob("sent"))
    everything = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "bare").rglob("*") if path.is_file())
    assert "the same text in every list" not in everything


def test_the_same_runs_give_the_same_bytes(made: Made, tmp_path: Path) -> None:
    build(made.experiment, made.runs, tmp_path / "again")
    files = {path.relative_to(tmp_path / "again"): path.read_bytes() for path in (tmp_path / "again").rglob("*") if path.is_file()}
    assert files == {path.relative_to(made.root): path.read_bytes() for path in made.root.rglob("*") if path.is_file()}


def test_a_rerank_that_changed_nothing_is_said_to_be_one(made: Made, pages: dict[str, Page], tmp_path: Path) -> None:
    data, runs = tmp_path / "data", tmp_path / "runs"
    configuration = write_configuration(data)
    experiment = json.loads(configuration.read_bytes())
    (bm25,) = (made.runs / "nasty" / "own").glob("BM25-*")
    (data / "noop.txt").write_bytes((bm25 / "run.trec").read_bytes())
    experiment["systems"] = [{"name": "noop", "ranker": {"kind": "run", "file": str(data / "noop.txt")}}]
    configuration.write_text(json.dumps(experiment), encoding="utf-8")
    build(run(configuration, runs), runs, tmp_path / "out")
    (page,) = (tmp_path / "out" / "runs").iterdir()
    assert "its order is the first stage's own for every query" in Page(page.read_text(encoding="utf-8")).text
    (oracle,) = [" ".join(page.text.split()) for path, page in pages.items() if path.startswith("runs/nasty.own.oracle")]
    # "<q>/2" has its relevant document first already, and "unjudged" has none
    assert "The first stage's own order stands in 2 of 4 queries." in oracle
    assert "own for every query" not in oracle


def test_two_configurations_share_their_runs(made: Made, tmp_path: Path) -> None:
    other = run(write_configuration(tmp_path / "data", title="Other"), tmp_path / "runs")
    first = contents(other, tmp_path / "runs")
    from nasty_site import planner
    from rerankbench.site import collect

    both = collect([(other, planner(other, tmp_path / "runs")), (other, planner(other, tmp_path / "runs"))], tmp_path / "runs")
    assert len(both.tables) == 2
    assert [run_.path for run_ in both.runs] == [run_.path for run_ in first.runs]
    assert all(len(run_.tables) == 2 for run_ in both.runs)
    assert len(both.lists[0].lists[0].documents) == DOCUMENTS


def test_templates_hold_no_filter_that_switches_escaping_off() -> None:
    for path in TEMPLATES.glob("*.html"):
        assert not re.search(r"\|\s*safe|autoescape", path.read_text(encoding="utf-8")), path


def test_a_page_has_every_table_of_its_configuration_with_notes_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="the extra 'site' is not installed")
    text = (
        "title: Seconds\nbenchmarks: [mini]\ndepth: 50\nlayout: latency\nbatch_queries: 1\nwarmup: 0\n"
        "timings: [cold, throughput]\nsystems: [E2Rank-lexical]\n"
    )
    (tmp_path / "seconds.yaml").write_text(text, encoding="utf-8")
    experiment = load_experiment(str(tmp_path / "seconds.yaml"))
    planner = Planner(Benchmarks(None), tmp_path / "runs")
    Laboratory(planner).run(planner.plan(experiment), experiment, Watcher())
    build_site(collect([(experiment, planner)], tmp_path / "runs"), tmp_path / "runs", tmp_path / "out")
    page = Page((tmp_path / "out" / "tables" / "seconds.html").read_text(encoding="utf-8"))
    assert [name for name in page.ids if name in {"table", "phases", "costs", "throughput"}] == ["table", "phases", "costs", "throughput"]
    assert len(page.ids) == len(set(page.ids))
    assert {"note-1", "phases-note-1", "costs-note-1", "throughput-note-1"} <= set(page.ids)
    within = [link.removeprefix("#") for link in page.links if link.startswith("#")]
    assert set(within) <= set(page.ids)
    assert "× one at a time" in page.text


def test_a_page_of_mteb_scores_has_its_versions_which_are_words(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="the extra 'site' is not installed")
    write_result(tmp_path / "runs" / "mteb_results" / "org__model" / "rev1", "SciFact", 0.5, revision="0123456789", version="2.26.24")
    write_meta(tmp_path / "runs" / "mteb_results" / "org__model" / "rev1", "org/model", "rev1")
    text = 'layout: mteb\ntitle: Scores\nbenchmark: "MTEB(eng, v1)"\ntasks: [SciFact]\nsystems: [{name: mine, model: org/model}]\n'
    (tmp_path / "scores.yaml").write_text(text, encoding="utf-8")
    asked, planner = load_config(str(tmp_path / "scores.yaml")), Planner(Benchmarks(None), tmp_path / "runs")
    build_site(collect([(asked, planner)], tmp_path / "runs"), tmp_path / "runs", tmp_path / "out")
    page = Page((tmp_path / "out" / "tables" / "scores.html").read_text(encoding="utf-8"))
    assert [name for name in page.ids if name in {"table", "means", "versions"}] == ["table", "means", "versions"]
    assert "2.26.24: ndcg_at_10, data 0123456" in page.text
    assert "mteb 1.38.32: ndcg_at_10, data 0228b52" in page.text  # what the cell itself says

"""``rerankbench site``: what it writes, what it says, and how it ends."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from cli.calling import Caller, files_below
from nasty_site import run, write_configuration

pytest.importorskip("vl_convert", reason="the extra 'site' is not installed")


@pytest.fixture
def demo(call: Caller) -> None:
    assert call("run", "demo").code == 0


@pytest.mark.usefixtures("demo")
def test_a_complete_table_makes_a_complete_site(call: Caller, tmp_path: Path) -> None:
    done = call("site", "demo", "--only", "--json")
    assert done.code == 0
    said = done.data()
    assert said["site"] == "reports/site/index.html"
    files = files_below(tmp_path / "reports" / "site")
    # the marker is no page of the site, and is not counted
    assert said["files"] == len(files) - 1
    assert said["bytes"] == sum(len(content) for name, content in files.items() if name != "site.json")
    assert said["largest_file"]["path"] == "assets/vega.js"
    assert said["complete"] is True
    assert [table["config"] for table in said["tables"]] == ["demo"]
    assert said["lists"] == [{"page": "lists/mini.bm25-top50/index.html", "queries": 28, "runs": 4}]
    assert str(tmp_path) not in done.out


def test_the_papers_tables_are_there_in_its_order_whatever_is_named_and_what_is_missing_makes_the_code_4(
    call: Caller, tmp_path: Path
) -> None:
    done = call("site", "demo", "--data", tmp_path, "--json")
    assert done.code == 4
    said = done.data()
    configs = [table["config"] for table in said["tables"]]
    assert configs[:3] == ["table1", "table2", "table3"]
    assert configs[-1] == "demo"
    numbers = [int(name.removeprefix("table")) for name in configs if name.startswith("table")]
    assert numbers == sorted(numbers)
    assert configs == [*(f"table{number}" for number in numbers), "figure1b", "figure1c", "figure2", "figure3", "demo"]
    assert said["tables"][0]["missing"] == 70  # 7 systems on 10 benchmarks
    assert "Only the order" not in done.err
    assert (tmp_path / "reports" / "site" / "missing.html").is_file()


@pytest.mark.usefixtures("demo")
def test_the_numbers_of_a_reported_html_table_lead_to_their_run_folders(call: Caller, tmp_path: Path) -> None:
    assert call("report", "demo").code == 0
    page = tmp_path / "reports" / "demo" / "table.html"
    links = re.findall(r'class="value" href="([^"]+)"', page.read_text(encoding="utf-8"))
    assert len(links) == 4
    assert all((page.parent / unquote(link) / "manifest.json").is_file() for link in links)
    assert str(tmp_path) not in page.read_text(encoding="utf-8")


def test_a_configuration_named_twice_is_shown_once(call: Caller) -> None:
    said = call("site", "demo", "demo", "--only", "--json").data()
    assert [table["config"] for table in said["tables"]] == ["demo"]


@pytest.mark.usefixtures("demo")
def test_a_folder_that_is_no_site_is_refused_and_kept(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x", encoding="utf-8")
    done = call("site", "demo", "--only", "--out", "mine")
    assert done.code == 1
    assert "is no site of rerankbench" in done.err
    assert "Name another --out" in done.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


@pytest.mark.usefixtures("demo")
def test_building_again_takes_stale_pages_away(call: Caller, tmp_path: Path) -> None:
    assert call("site", "demo", "--only").code == 0
    out = tmp_path / "reports" / "site"
    before = files_below(out)
    (out / "tables" / "stale.html").write_text("x", encoding="utf-8")
    assert call("site", "demo", "--only").code == 0
    assert files_below(out) == before


def test_own_benchmarks_are_found_beside_their_configuration(call: Caller, tmp_path: Path) -> None:
    own = write_configuration(tmp_path / "data")
    run(own, tmp_path / "runs")
    said = call("site", own, "--only", "--json", "--no-texts").data()
    assert said["exit_code"] == 4  # its system "absent" has no run
    assert [each["runs"] for each in said["lists"]] == [4]


def test_only_without_a_configuration_is_a_usage_error(call: Caller) -> None:
    done = call("site", "--only")
    assert done.code == 2
    assert "no CONFIG is named" in done.err


def test_without_the_extra_the_command_that_gets_it_is_named(call: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    from rerankbench.site import plot

    plot.libraries.cache_clear()
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    done = call("site", "demo", "--only")
    assert done.code == 3
    assert "pip install 'rerankbench[site]'" in done.err
    assert not (tmp_path / "reports").exists()

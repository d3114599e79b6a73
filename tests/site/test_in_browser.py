"""The site in a real Chromium, opened from disk: every kind of page, by mouse and by keyboard, light and dark, narrow and on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from nasty_site import DOCUMENTS, ESCAPING, QUERIES, SYSTEM, Made, contents

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DRAWN = {"query": "section.list ~ section.list", "compare": "#drawing svg", "plot": "#drawing svg"}
"""Kind of page → what its scripts have made when they are done."""
KINDS = ("index", "table", "runs", "run", "compare", "query", "plot", "missing")


@dataclass
class Opened:
    """A page, and what went wrong on it."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def text(self, selector: str) -> list[str]:
        return [str(text) for text in self.page.locator(selector).all_inner_texts()]

    def evaluate(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)


Opener = Callable[..., Opened]


@pytest.fixture(scope="module")
def places(made: Made) -> dict[str, str]:
    """Kind → page."""
    shown = contents(made.experiment, made.runs)
    (listed,) = shown.lists
    nasty = next(run for run in listed.runs if run.label == SYSTEM)
    return {
        "index": "index.html",
        "table": shown.tables[0].page,
        "runs": "runs.html",
        "run": nasty.page,
        "compare": listed.page,
        "query": listed.queries["q1"],
        "plot": "plot.html",
        "missing": "missing.html",
    }


@pytest.fixture(scope="module")
def keys(made: Made) -> dict[str, str]:
    """System → what stands for it in addresses."""
    return {run.label: run.name for run in contents(made.experiment, made.runs).lists[0].runs}


@pytest.fixture
def opener(made: Made, places: dict[str, str], browser: Browser) -> Iterator[Opener]:
    opened: list[Opened] = []

    def go(kind: str, fragment: str = "", *, width: int = 1280, **options: Any) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        one = Opened(context.new_page())
        one.page.on("console", lambda m: one.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        one.page.on("pageerror", lambda e: one.complaints.append(str(e)))
        one.page.on("requestfailed", lambda r: one.complaints.append(f"{r.url} failed"))
        one.page.on("request", lambda r: one.complaints.append(f"{r.url} asked for") if not r.url.startswith("file://") else None)
        one.page.on("dialog", lambda d: one.complaints.append(d.message))
        one.page.goto((made.root / places.get(kind, kind)).as_uri() + fragment)
        if options.get("java_script_enabled", True) and kind in DRAWN:
            one.page.locator(DRAWN[kind]).first.wait_for()
        opened.append(one)
        return one

    yield go
    for one in opened:
        assert one.complaints == [], one.page.url
        assert one.evaluate("window.hacked") is None, one.page.url
        one.page.context.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_page_opens_without_a_complaint_and_without_the_network(opener: Opener, kind: str) -> None:
    opened = opener(kind)
    assert opened.page.locator("h1").count() == 1
    assert opened.page.locator("main").count() == 1
    nameless = """[...document.querySelectorAll("button, select, input, a[href]")].filter((e) =>
        !(e.textContent.trim() || e.getAttribute("aria-label") || e.closest("label"))).map((e) => e.outerHTML)"""
    assert opened.evaluate(nameless) == [], "every control has a name"
    assert opened.evaluate('[...document.querySelectorAll("table")].filter((t) => !t.caption?.textContent.trim()).length') == 0
    assert opened.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_is_wider_than_its_window(opener: Opener, kind: str) -> None:
    opened = opener(kind, width=400)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 400
    opened.page.set_viewport_size({"width": 1280, "height": 900})
    assert opened.evaluate("document.documentElement.scrollWidth") <= 1280


# Relative luminance and contrast of WCAG 2.2, sections "relative luminance" and "contrast ratio".
CONTRAST = """
() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const rgba = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const found = rgba(getComputedStyle(e).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.getClientRects().length) continue;
    if (element.closest("svg, script, noscript, [hidden], .unseen, .skip")) continue;
    if (["SCRIPT", "OPTION"].includes(element.tagName)) continue;
    const colours = [rgba(getComputedStyle(element).color), ground(element)];
    const [a, b] = colours.map(luminance).sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}: ${node.textContent.trim()}`);
  }
  return low;
}
"""


@pytest.mark.parametrize("kind", KINDS)
def test_all_text_stands_out_from_its_ground_in_light_and_dark(opener: Opener, kind: str) -> None:
    opened = opener(kind, color_scheme="light")
    assert opened.evaluate(CONTRAST) == []
    opened.page.emulate_media(color_scheme="dark")
    assert opened.evaluate(CONTRAST) == []


def test_the_first_tab_leads_past_the_navigation(opener: Opener) -> None:
    opened = opener("table")
    opened.page.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.textContent") == "Skip to the content"
    opened.page.keyboard.press("Enter")
    assert opened.evaluate("document.activeElement.id") == "main"


def test_dark_is_what_the_system_asks_for_until_the_button_says_otherwise(opener: Opener) -> None:
    opened = opener("index", color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)"
    assert opened.evaluate(ground) < 120
    opened.page.get_by_role("button", name="Light").click()
    assert opened.evaluate(ground) > 600
    assert opened.page.get_by_role("button", name="Dark").is_visible()
    opened.page.reload()
    assert opened.evaluate(ground) > 600, "the choice is remembered"
    assert opener("index", color_scheme="light").evaluate(ground) > 600


def _column(opened: Opened, number: int, table: str = "table") -> list[str]:
    return opened.text(f"{table} tbody tr:not([hidden]) > :nth-child({number})")


def test_a_heading_sorts_by_click_and_by_keyboard_and_says_so(opener: Opener) -> None:
    opened = opener("run")
    before = _column(opened, 1, "#queries")
    heading = opened.page.locator("#queries th", has_text="nDCG@10")
    assert heading.get_attribute("aria-sort") == "none"
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    values = _column(opened, 3, "#queries")
    assert values[-1] == "not judged"
    assert values[:-1] == sorted(values[:-1], key=float, reverse=True)
    heading.get_by_role("button").focus()
    opened.page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    values = _column(opened, 3, "#queries")
    assert values[:-1] == sorted(values[:-1], key=float)
    assert values[-1] == "not judged", "what has no value stays last"
    opened.page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "none"
    assert _column(opened, 1, "#queries") == before


def test_a_filter_keeps_the_rows_with_all_of_its_words(opener: Opener) -> None:
    opened = opener("compare")
    assert _column(opened, 1, "#queries") == list(QUERIES)
    opened.page.get_by_label("Filter").press_sequentially("QUERY")
    assert _column(opened, 1, "#queries") == ["<q>/2", "Q1"]
    opened.page.get_by_label("Filter").press_sequentially(" third")
    assert _column(opened, 1, "#queries") == ["Q1"]
    assert opened.page.get_by_role("status").inner_text() == "1 of 4 rows"
    opened.page.get_by_label("Filter").fill("")
    assert len(_column(opened, 1, "#queries")) == len(QUERIES)


def test_the_details_of_a_cell_come_with_the_focus_and_go_with_escape(opener: Opener) -> None:
    opened = opener("table")
    cell = opened.page.locator("td.cell", has=opened.page.locator("a.value")).first
    facts = cell.locator("dl.facts")
    assert not facts.is_visible()
    cell.locator("a.value").focus()
    assert facts.is_visible()
    assert "95 % interval" in facts.inner_text()
    opened.page.keyboard.press("Escape")
    assert not facts.is_visible()
    cell.hover()
    assert facts.is_visible()


def test_a_cell_leads_to_its_run(opener: Opener, places: dict[str, str]) -> None:
    opened = opener("table")
    opened.page.locator("tr", has_text=SYSTEM).locator("a.value").first.click()
    opened.page.wait_for_load_state()
    assert unquote(opened.page.url).endswith(places["run"])
    assert SYSTEM in opened.page.locator("h1").inner_text()


def test_the_address_chooses_the_two_systems_of_a_query(opener: Opener, keys: dict[str, str]) -> None:
    opened = opener("query", f"#a={keys['oracle']}&b={keys['listwise']}")
    assert opened.text("section.list h2") == ["Before: own", "A: oracle", "B: listwise"]
    a = opened.page.locator("section.list").nth(1).locator("li")
    assert a.count() == DOCUMENTS
    # grades 3 and 1 stand at ranks 3 and 7 of the list, and first in the oracle's
    assert a.nth(0).locator(".id").inner_text() == "d3"
    assert a.nth(0).locator(".move").inner_text().split() == ["▲", "2", "places", "up"]
    assert a.nth(1).locator(".id").inner_text() == "d7"
    assert a.nth(2).locator(".move").inner_text().split() == ["▼", "2", "places", "down"]
    opened.page.locator("#a").select_option(label=SYSTEM)
    assert opened.text("section.list h2")[1] == f"A: {SYSTEM}"
    assert opened.evaluate("new URLSearchParams(location.hash.slice(1)).get('a')") == keys[SYSTEM]
    opened.page.get_by_role("button", name="exchange").click()
    assert opened.text("section.list h2")[1:] == ["A: listwise", f"B: {SYSTEM}"]


def test_the_choice_goes_along_to_the_next_query(opener: Opener, keys: dict[str, str]) -> None:
    opened = opener("query", f"#a={keys['oracle']}&b={keys['listwise']}")
    opened.page.get_by_role("link", name="next").click()
    opened.page.locator("section.list", has_text="A: oracle").wait_for()
    assert opened.page.locator("h1").inner_text() == QUERIES["<q>/2"]
    assert opened.text("section.list h2")[1:] == ["A: oracle", "B: listwise"]


def test_an_unknown_system_in_the_address_is_as_none(opener: Opener) -> None:
    opened = opener("query", "#a=%3Cscript%3E&b=nothing")
    assert len(opened.text("section.list h2")) == 3


def test_a_nasty_text_is_loaded_when_it_is_opened_and_stays_text(opener: Opener) -> None:
    opened = opener("query")
    first = opened.page.locator("#before > li").first
    assert first.locator(".text").text_content() == ""
    first.locator("summary").focus()
    opened.page.keyboard.press("Enter")
    first.locator(".text", has_text="window.hacked").wait_for()
    assert first.locator(".text").text_content() == f"{ESCAPING} of q1"
    assert opened.page.locator("main img, main script:not([type])").count() == 0


def test_an_empty_document_is_said_to_be_one(opener: Opener) -> None:
    opened = opener("query")
    opened.page.locator("#before > li").nth(1).locator("summary").click()
    opened.page.get_by_text("(an empty document)").first.wait_for()


def test_all_texts_open_with_one_button(opener: Opener) -> None:
    opened = opener("query")
    button = opened.page.get_by_role("button", name="Show all texts")
    button.click()
    assert opened.page.locator("#lists details:not([open])").count() == 0
    assert opened.page.locator("#texts").get_attribute("aria-pressed") == "true"


def test_prompts_and_answers_are_shown_as_text(opener: Opener, keys: dict[str, str]) -> None:
    opened = opener("query", f"#a={keys['listwise']}&b=")
    opened.page.locator("details.sent summary").first.click()
    shown = opened.page.locator("details.sent").first.inner_text()
    assert "window 9-12" in shown
    assert "5 calls" in shown
    assert "what is </script>" in " ".join(shown.split())


def test_the_same_document_is_marked_in_every_list(opener: Opener) -> None:
    opened = opener("query")
    opened.page.locator("#before > li").nth(2).locator("summary").focus()
    assert opened.evaluate('[...document.querySelectorAll("li.same")].map((li) => li.dataset.d)') == ["2", "2", "2"]


def test_comparing_counts_wins_and_fills_the_table(opener: Opener, keys: dict[str, str]) -> None:
    opened = opener("compare", f"#a={keys['BM25']}&b={keys['oracle']}")
    summary = opened.page.locator("#summary").inner_text()
    # BM25 has d1 first, which is the relevant one of "<q>/2": equal there; worse on q1 and Q1.
    assert "2 queries" in summary.split("B better")[1].split("equal")[0]
    assert "1 query" in summary.split("equal")[1].split("A better")[0]
    assert "0 queries" in summary.split("A better")[1]
    assert _column(opened, 4, "#queries") == ["100.00", "100.00", "100.00", ""]
    assert opened.page.locator("#drawing svg path[aria-roledescription=point]").count() == 3


def test_a_dot_leads_to_its_query_with_both_systems(opener: Opener, keys: dict[str, str], places: dict[str, str]) -> None:
    opened = opener("compare", f"#a={keys['BM25']}&b={keys['listwise']}")
    opened.page.locator("#drawing svg path[aria-roledescription=point]").first.click()
    opened.page.wait_for_url("**/queries/**")
    opened.page.locator("section.list", has_text="A: BM25").wait_for()
    assert opened.text("section.list h2")[1:] == ["A: BM25", "B: listwise"]


def test_another_measure_gives_other_values(opener: Opener, keys: dict[str, str]) -> None:
    opened = opener("compare", f"#a={keys['BM25']}&b={keys['oracle']}")
    opened.page.locator("#measure").select_option("R@5")
    # relevant in BM25's first five: d3 but not d7 of q1; d1 of the second; d12 of the third is not there
    assert _column(opened, 3, "#queries") == ["50.00", "100.00", "0.00", ""]


def test_the_drawing_follows_the_theme_and_its_table_says_the_same(opener: Opener) -> None:
    opened = opener("plot", color_scheme="dark")
    ink = "getComputedStyle(document.querySelector('#drawing svg .mark-text text')).fill"
    dark = opened.evaluate(ink)
    opened.page.get_by_role("button", name="Light").click()
    opened.page.wait_for_function(f"(before) => {ink} !== before", arg=dark)
    assert opened.page.locator("#points tbody tr").count() == 4
    assert "first stage: its own order, no model" in opened.page.locator("#points").inner_text()
    assert opened.page.locator("#drawing svg path[aria-roledescription=point]").count() == 2, "what runs no model is not drawn"


@pytest.mark.parametrize("kind", KINDS)
def test_on_paper_there_are_no_controls_and_nothing_is_hidden_in_a_box_that_scrolls(opener: Opener, kind: str) -> None:
    opened = opener(kind, color_scheme="dark")
    opened.page.emulate_media(media="print", color_scheme="dark")
    assert not opened.page.locator("header").is_visible()
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    cut = '[...document.querySelectorAll(".scroll")].filter((e) => getComputedStyle(e).overflowY !== "visible").length'
    assert opened.evaluate(cut) == 0
    assert opened.page.pdf()[:5] == b"%PDF-"


@pytest.mark.parametrize("kind", KINDS)
def test_without_scripts_every_page_has_its_content(opener: Opener, kind: str) -> None:
    opened = opener(kind, java_script_enabled=False)
    assert len(opened.page.locator("main").inner_text()) > 60
    if kind == "query":
        assert opened.page.locator("#before > li").count() == DOCUMENTS

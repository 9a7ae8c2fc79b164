"""The pages in a real browser, from files: what a reader can do there, and that nothing leaves them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("no Chromium on this machine", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api")


@dataclass
class Reader:
    """A page, and all that it said or asked for."""

    page: Any
    site: Path
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, name: str) -> None:
        self.page.goto("about:blank")
        self.page.goto(f"{self.site.as_uri()}/{name}")

    def names(self) -> list[str]:
        """The entries that are shown, in their order."""
        cells = self.page.locator(".suite:visible .board tbody tr:visible")
        return [cells.nth(i).get_attribute("id").split("-", 3)[3] for i in range(cells.count())]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as tool:
        started = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def reader(browser: Any, site: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    """A reader; afterwards: no script failed, nothing was refused, nothing was fetched but the site's files."""
    context = browser.new_context(**getattr(request, "param", {}))
    page = context.new_page()
    page.set_default_timeout(60_000)  # of a machine that is busy
    made = Reader(page, site)
    page.on("console", lambda message: made.said.append(message.text))
    page.on("pageerror", lambda error: made.said.append(str(error)))
    page.on("dialog", lambda dialog: (made.said.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda asked: made.asked.append(asked.url))
    yield made
    context.close()
    assert made.said == []
    inside = (site.as_uri(), "about:blank", "data:,")
    assert [url for url in made.asked if not url.startswith(inside)] == []


def test_headings_sort_and_the_address_keeps_it(reader: Reader) -> None:
    reader.open("index.html")
    ours = ["good", "hostile", "bad"]
    assert reader.names()[:3] == ours
    heading = reader.page.get_by_role("columnheader", name="accuracy")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert [n for n in reader.names() if n != "published"] == ours
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [n for n in reader.names() if n != "published"] == ours[::-1]
    kept = reader.page.evaluate("location.hash")
    assert kept == "#suite=cwmb18&sort=accuracy&order=asc"
    before = reader.names()
    reader.open(f"index.html{kept}")
    assert reader.names() == before


def test_filters_hide_rows_and_reset_brings_them_back(reader: Reader) -> None:
    reader.open("index.html")
    reader.page.locator("select[name=strategy]").select_option("best_of_n")
    assert reader.names() == ["bad"]
    assert reader.page.locator(".shown").inner_text() == "1 row"
    reader.page.get_by_role("button", name="Reset").click()
    reader.page.wait_for_function("document.querySelector('.shown').textContent === '7 rows'")
    reader.page.get_by_role("searchbox").fill("llama worldcoder")
    assert reader.names() == ["published"]
    reader.page.get_by_role("searchbox").fill("")
    reader.page.locator("select[name=kind]").select_option("run")
    assert sorted(reader.names()) == ["bad", "good", "hostile"]


def test_figures_are_of_the_chosen_environments(reader: Reader) -> None:
    reader.open("index.html")
    cell = reader.page.locator("tr[id$=published] >> nth=0").locator("td[data-label=accuracy]")
    assert "0.57" in cell.inner_text()  # GPT-4 Turbo with GIF-MCTS over all 18
    reader.page.locator("select[name=group]").select_option("discrete")
    assert "0.91" in cell.inner_text()
    assert "0.57" not in cell.inner_text()
    planned = reader.page.locator("tr[id$=published] >> nth=0").locator("td[data-label=return]")
    assert planned.inner_text().split() == ["0.81", "0.69", "to", "0.93"]
    reader.page.get_by_role("button", name="Reset").click()
    reader.page.wait_for_function("!location.hash.includes('discrete')")
    assert "0.57" in cell.inner_text()


def test_an_address_leads_to_a_row(reader: Reader) -> None:
    reader.open("index.html#row-cwmb18-1-bad")
    assert reader.page.locator("tr.target").get_attribute("id") == "row-cwmb18-1-bad"
    reader.page.locator("tr.target").get_by_role("link", name="bad", exact=True).click()
    assert reader.page.get_by_role("heading", level=1).inner_text() == "bad"


def test_a_point_of_a_chart_leads_to_its_entry(reader: Reader) -> None:
    reader.open("index.html")
    point = reader.page.locator(".chart a").first
    assert "skill" in point.locator("path").first.get_attribute("aria-label")
    point.click()
    assert "/entries/" in reader.page.url


def test_a_tree_opens_by_mouse_and_keyboard(reader: Reader) -> None:
    reader.open("entries/good/0-CartPole-v1-0.html")
    shown = reader.page.locator(".call:visible h3")
    assert shown.inner_text().startswith("Call 2: improve")  # the judged one
    reader.page.get_by_role("treeitem").nth(1).click()
    assert shown.inner_text().startswith("Call 1: improve")
    reader.page.get_by_role("treeitem").nth(1).press("ArrowUp")
    assert shown.inner_text().startswith("Call 0: generate")
    assert reader.page.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"
    reader.open("entries/good/0-CartPole-v1-0.html#call-1")
    assert shown.inner_text().startswith("Call 1: improve")
    reader.page.get_by_text("Difference from its parent").locator("visible=true").click()
    difference = reader.page.locator(".call:visible .diff")
    assert "+        return 1, 1.0, False" in difference.inner_text()
    assert difference.locator(".add").first.inner_text().startswith("+")


def test_programs_are_coloured_and_stay_the_same_text(reader: Reader) -> None:
    reader.open("entries/good/0-CartPole-v1-0.html#call-1")
    reader.page.locator(".call:visible summary", has_text="The program").click()
    code = reader.page.locator(".call:visible code.python")
    assert "return 1, 1.0, False  # </code><script>x()</script>" in code.inner_text()
    assert code.locator(".k").first.inner_text() == "class"
    assert "</script>" in code.locator(".c").inner_text()


def test_hostile_names_are_text(reader: Reader) -> None:
    reader.open("index.html")
    assert reader.page.locator("tr", has_text="onerror=alert(1)").count() >= 1
    assert reader.page.locator("main img").count() == 0
    for name in ("index.html", "0-CartPole-v1-0.html"):
        reader.open(f"entries/hostile/{name}")
        assert "<img src=x onerror=alert(1)>" in reader.page.locator("main").inner_text()
        assert reader.page.locator("img").count() == 0


def test_light_and_dark_can_be_chosen_and_are_kept(reader: Reader) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    reader.open("index.html")
    assert reader.page.evaluate(colour) == "rgb(255, 255, 255)"
    reader.page.get_by_role("button", name="Dark").click()
    assert reader.page.evaluate(colour) == "rgb(20, 23, 27)"
    reader.open("entries/good/index.html")
    assert reader.page.evaluate(colour) == "rgb(20, 23, 27)"


@pytest.mark.parametrize("reader", [{"viewport": {"width": w, "height": 800}} for w in (360, 800, 1400)], indirect=True)
@pytest.mark.parametrize("name", ["index.html", "entries/good/index.html", "entries/good/0-CartPole-v1-0.html"])
def test_nothing_is_wider_than_the_window(reader: Reader, name: str) -> None:
    reader.open(name)
    assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("reader", [{"java_script_enabled": False}], indirect=True)
def test_everything_is_there_without_scripts(reader: Reader) -> None:
    reader.open("index.html")
    assert len(reader.names()) == 7
    reader.open("entries/good/0-CartPole-v1-0.html")
    assert reader.page.locator(".call:visible").count() == 3

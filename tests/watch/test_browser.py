"""`<job-progress>` on pages of one's own, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from celeriac.api.events import FOLDER
from celeriac.stack.valkey import Valkey
from tests.article.running import eventually
from tests.console.person import open_browser
from tests.watch.conftest import NewStation
from tests.watch.station import Station

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A headless Chromium."""
    made = open_browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.quit()


@pytest.fixture(scope="module")
def working(valkey: Valkey, _numbers: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A worker whose jobs have much to say."""
    made = Station(tmp_path_factory.mktemp("chatty"), f"{valkey.url.removesuffix('/0')}/{next(_numbers)}", "gthread")
    made.start_worker()
    yield made
    made.stop_all()


@pytest.fixture
def chatty(working: Station) -> Iterator[Station]:
    """The same, without a server before and after."""
    yield working
    working.stop("web")


def part(browser: Chrome, name: str) -> Any:
    return browser.find_element(By.TAG_NAME, "job-progress").shadow_root.find_element(By.CSS_SELECTOR, f"[part={name}]")


def opens(browser: Chrome, station: Station, id: str) -> Callable[[str], Any]:
    """Open the page of a job; return what asks for things that the page remembers."""
    browser.get(f"http://127.0.0.1:{station.port}/page/{id}")
    return lambda expression: browser.execute_script(f"return {expression}")


def test_the_component_is_small_and_needs_nothing_else() -> None:
    text = (FOLDER / "job-progress.js").read_text()

    assert len(text.encode()) <= 5000
    assert "import" not in text


def test_a_job_is_shown_to_its_end_though_the_server_is_restarted(chatty: Station, browser: Chrome) -> None:
    chatty.start_web()
    id = chatty.submit("chatter", lines=200, pause=0.04)
    ask = opens(browser, chatty, id)
    eventually(lambda: ask("heard.progress.length") >= 2, "some progress")
    assert part(browser, "state").text == "running"
    assert 0 < float(part(browser, "bar").get_attribute("value")) < 1
    assert part(browser, "words").text
    chatty.stop("web")
    chatty.start_web()

    eventually(lambda: ask("heard.end.length"), "the end")
    assert ask("heard.log.map((line) => line.text)") == [f"line {i}" for i in range(200)]
    assert ask("heard.progress.map((step) => step.current)") == list(range(10, 201, 10))
    assert ask("[heard.reset.length, heard.end.length, heard.end[0].result]") == [0, 1, "That is all."]
    assert part(browser, "state").text == "succeeded"
    assert not part(browser, "cancel").is_displayed()


def test_where_no_stream_is_to_be_had_it_asks_again_and_again(chatty: Station, browser: Chrome) -> None:
    chatty.start_web(CELERIAC_STREAMS="0")
    id = chatty.submit("chatter", lines=60, pause=0.05)
    ask = opens(browser, chatty, id)

    eventually(lambda: ask("heard.end.length"), "the end")
    assert (ask("heard.log.length"), part(browser, "state").text) == (0, "succeeded")


def test_the_button_cancels(chatty: Station, browser: Chrome) -> None:
    chatty.start_web()
    opens(browser, chatty, chatty.submit("stay"))
    eventually(lambda: part(browser, "state").text == "running", "a running job")
    part(browser, "cancel").click()

    eventually(lambda: part(browser, "state").text == "cancelled", "its cancellation")
    assert not part(browser, "cancel").is_displayed()


def test_a_picture_is_sent_watched_and_seen_as_a_thumbnail(
    station: NewStation, browser: Chrome, tmp_path: Path
) -> None:
    here = station("gthread", 16, app="examples.watch:create_app()", jobs="examples")
    here.env |= {"SECRET_KEY": "watch " * 6, "EXAMPLES_IMAGES": str(tmp_path / "images"),
                 "CELERIAC_HISTORY": "0"}  # fmt: skip
    here.start_web()
    here.start_worker()
    Image.new("RGB", (800, 400), "teal").save(tmp_path / "sea.png")
    browser.get(f"http://127.0.0.1:{here.port}/")
    browser.find_element(By.NAME, "picture").send_keys(str(tmp_path / "sea.png"))
    browser.find_element(By.TAG_NAME, "button").click()

    seen = "document.querySelector('#thumbnail')?.naturalWidth"
    eventually(lambda: browser.execute_script(f"return {seen}") == 256, "the thumbnail")
    assert part(browser, "state").text == "succeeded"

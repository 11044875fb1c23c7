"""The pictures of docs/img, taken of a shop at work: `python -m tests.console.pictures`. Speaks Selenium."""

from __future__ import annotations

import base64
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from celeriac import history
from celeriac.stack.valkey import Valkey
from celeriac.store.journal import Detail
from tests.article.running import ROOT
from tests.console.conftest import Shop
from tests.console.past import job, remember
from tests.console.person import Person, open_browser
from tests.hand import Hand

FOLDER = ROOT / "docs" / "img"
HOUR = 3600
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
DESK = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}


class Photographer(Person):
    """Somebody with a camera."""

    def sits_at(self, screen: dict[str, object], scheme: str) -> None:
        """Look at this screen, in the light or in the dark."""
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def takes(self, name: str, height: int) -> None:
        """Take a picture of the page's upper part."""
        width = self.browser.execute_script("return document.documentElement.clientWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        (FOLDER / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def an_hour(shop: Shop) -> Iterator[tuple[str, Detail]]:
    """Yield jobs of the last hour: more and fewer of them, some that fail, some that waited."""
    dice = random.Random(7)
    ago = HOUR - 30.0
    while ago > 40:
        ago -= dice.expovariate(1.2 + 0.9 * (ago % 1500) / 1500)
        wait = dice.lognormvariate(-1.2, 0.7) * (4 if 1100 < ago < 1500 else 1)
        error = "float division by zero" if dice.random() < 0.06 else ""
        arguments: dict[str, object] = {"x": dice.randrange(100), "by": 0 if error else dice.randrange(1, 9)}
        yield job(shop.app, "divide", ago, error, wait=wait, **arguments)


def set_up(shop: Shop) -> str:
    """Let the shop have a past, and something to do; return the id of a job that is half done."""
    remember(shop.app, list(an_hour(shop)))
    for n in range(3):
        shop.submit("post")
        shop.submit("add", x=n, y=n * n)
    shop.submit("divide", x=1, by=0)
    shop.submit("add", queue="letters", x=1)
    Hand(shop.app.extensions["celeriac"].context).lose_for_good("letters")
    feast = shop.submit("feast", guests=3)
    shop.submit("walk", steps=30, gate=shop.gate())
    walk = shop.submit("walk", steps=60, seconds=0.2, gate=shop.gate())
    shop.reaches(feast, "succeeded")
    return walk


def take(ann: Photographer, walk: str) -> None:
    """Take every picture."""
    for scheme in ("light", "dark"):
        ann.sits_at(DESK, scheme)
        ann.opens("")
        ann.finds("figure canvas")
        ann.takes("overview" if scheme == "light" else "overview-dark", 1180)
    ann.opens(f"jobs/{walk}")
    ann.sees("Step 30", ".lines")
    ann.takes("job-dark", 1100)
    ann.sits_at(DESK, "light")
    ann.opens("jobs")
    ann.finds("tr[data-id]")
    ann.takes("jobs", 900)
    ann.opens("workers")
    ann.presses("Shut down shop@test")
    ann.sees("may finish first", "dialog")
    ann.takes("workers", 700)
    ann.opens("schedules")
    ann.finds("tr[data-name=nightly]")
    ann.takes("schedules", 420)
    ann.opens("tasks/order")
    ann.types("item", "Tea")
    ann.types("zip", "12")
    ann.types("count", "50")
    ann.presses("Start")
    ann.finds(".wrong")
    ann.takes("form", 1150)
    ann.sits_at(PHONE, "light")
    ann.opens("jobs")
    ann.finds("tr[data-id]")
    ann.takes("jobs-phone", 844)


def main() -> None:
    """Start everything, take the pictures, stop everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Valkey(folder / "valkey").start()
        shop = Shop(folder, server.url, CELERIAC_LOCAL="1", CELERIAC_FLOWER="true")
        try:
            history.of(shop.app).upgrade()
            shop.open()
            shop.worker("shop", "-Q", "celery,io", "-P", "threads", "-c", "8")
            shop.worker("press", "-Q", "celery", "-P", "prefork", "-c", "2")
            browser = open_browser(folder / "chromium")
            try:
                take(Photographer(browser, shop.url), set_up(shop))
            finally:
                browser.quit()
        finally:
            shop.end()
            server.stop()


if __name__ == "__main__":
    main()

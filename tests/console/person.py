"""Speaks Selenium: somebody at a browser, who looks for what a person looks for, and waits until it is there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.article.running import T, eventually

DEADLINE = 60.0
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--no-default-browser-check",
    "--disable-extensions", "--force-color-profile=srgb", "--window-size=1280,900",
)  # fmt: skip
AXE = Path(__file__).with_name("axe.js")


def open_browser(folder: Path) -> Chrome:
    """Start a headless Chromium with a profile of its own."""
    options = ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.binary_location = _program("chromium", "chromium-browser", "google-chrome")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options, ChromeService(_program("chromedriver")))


def _program(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    assert found, f"{names[0]} is not installed (on Debian: apt install chromium chromium-driver)."
    return found


class Person:
    """Somebody who looks at the console of a web server."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser, self.url = browser, url

    def opens(self, path: str) -> None:
        """Go to a page of the console."""
        self.browser.get(f"{self.url}/console/{path}")

    @property
    def place(self) -> str:
        """The page's address, after `/console/`."""
        return self.browser.current_url.partition("/console/")[2]

    def until(self, ask: Callable[[], T], what: str) -> T:
        """Return the first true answer, whatever the page draws anew meanwhile."""

        def calmly() -> T | None:
            try:
                return ask()
            except (NoSuchElementException, StaleElementReferenceException):
                return None

        try:
            return eventually(calmly, what, DEADLINE)  # type: ignore[return-value]
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- the page ---\n{self.reads()}\n{self.complaints()}") from None

    def reads(self, selector: str = "body") -> str:
        """Return the text that is seen there."""
        return str(self.browser.find_element(By.CSS_SELECTOR, selector).text)

    def sees(self, words: str, selector: str = "body") -> None:
        """Wait until the words are seen there."""
        self.until(lambda: words in self.reads(selector), f"{words!r} in {selector}")

    def sees_no(self, words: str, selector: str = "body") -> None:
        """Wait until the words are not seen there."""
        self.until(lambda: words not in self.reads(selector), f"no {words!r} in {selector}")

    def finds(self, selector: str, words: str = "") -> WebElement:
        """Return what is there, with these words, once it is."""

        def found() -> WebElement | None:
            for one in self.browser.find_elements(By.CSS_SELECTOR, selector):
                if one.is_displayed() and words in (one.text or one.get_attribute("aria-label") or ""):
                    return one
            return None

        return self.until(found, f"{selector} with {words!r}")  # type: ignore[return-value]

    def presses(self, words: str, within: str = "") -> None:
        """Press the button, or follow the link, of these words."""

        def pressed() -> bool:
            one = self._button(words, within)
            if one is None or not one.is_enabled():
                return False
            self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", one)
            one.click()
            return True

        self.until(pressed, f"a button {words!r} to press")

    def _button(self, words: str, within: str) -> WebElement | None:
        spots = ",".join(f"{within} {kind}" for kind in ("button", "a", "summary"))
        for one in self.browser.find_elements(By.CSS_SELECTOR, spots):
            named = (one.get_attribute("aria-label") or "", one.text)
            if one.is_displayed() and words in named:
                return one
        return None

    def field(self, label: str) -> WebElement:
        """Return the field of this label."""
        script = """
            const own = (label) => [...label.childNodes].filter((one) => one.tagName !== "SMALL");
            const words = (label) => own(label).map((one) => one.textContent).join("").trim();
            const fits = (label) => words(label) === arguments[0] || words(label).startsWith(arguments[0] + " ");
            const place = document.querySelector("dialog[open]") || document;
            const found = [...place.querySelectorAll("label")].find(fits);
            return found?.control || document.querySelector(`[aria-label="${arguments[0]}"]`);
        """
        return self.until(lambda: self.browser.execute_script(script, label), f"a field {label!r}")  # type: ignore[no-any-return]

    def types(self, label: str, text: str) -> None:
        """Write into the field, over what stood there."""
        field = self.field(label)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)
        field.send_keys(text)

    def chooses(self, label: str, text: str) -> None:
        """Choose from the field's options."""

        def chosen() -> bool:
            for option in self.field(label).find_elements(By.TAG_NAME, "option"):
                if option.text == text:
                    option.click()
                    return True
            return False

        self.until(chosen, f"{text!r} among the options of {label!r}")

    def strikes(self, key: str) -> None:
        """Press a key, wherever the focus is."""
        self.browser.switch_to.active_element.send_keys(key)

    def finds_nothing_serious(self) -> None:
        """Let axe-core look at the page: no barrier that it calls serious or critical."""
        # By the debugger's door: the page's own policy lets no foreign script in.
        self.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text()})
        found = self.browser.execute_cdp_cmd(
            "Runtime.evaluate",
            {
                "expression": "axe.run().then((r) => JSON.stringify(r.violations))",
                "awaitPromise": True,
                "returnByValue": True,
            },
        )
        told = json.loads(found["result"]["value"])
        bad = [
            f"{one['id']}: {one['help']}: "
            + " | ".join(f"{n['html'][:200]} {n['any'][0]['message'] if n['any'] else ''}" for n in one["nodes"][:5])
            for one in told
            if one["impact"] in ("serious", "critical")
        ]
        assert not bad, "\n".join(bad)

    def complaints(self) -> list[str]:
        """Return what the browser has said since last asked, but for answers that were refusals, which pages show."""
        log: list[dict[str, Any]] = self.browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [one["message"] for one in log if one["source"] != "network" and one["level"] in ("SEVERE", "WARNING")]

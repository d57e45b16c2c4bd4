"""A headless Chromium for tests of pages: what a page asked for, complained of and looks like.

Import the fixture by name, `from browser import browser  # noqa: F401`, then

    browser.open("http://127.0.0.1:8080/")      # or path.as_uri()
    assert browser.outside() == []              # nothing left this machine
    assert browser.complaints() == []
    browser.click("Explore")
    browser.wait_for(lambda: "two" in browser.text())
    browser.screenshot("page")                  # into tmp_path, and $BILEVEL_SCREENSHOTS if set
    browser.driver                              # the rest is Selenium's
"""

import json
import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

BINARIES = ("chromium", "chromium-browser", "google-chrome")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ASKED = ("Network.requestWillBeSent", "Network.webSocketCreated")
LOCAL_SCHEMES = ("about", "blob", "chrome", "data", "file")
# Names outside do not resolve: a page that asks for one is caught and fails alike everywhere.
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
)


def is_outside(address):
    """True for an address that is neither on this machine nor inside the page itself."""
    parts = urlsplit(address)
    return parts.scheme not in LOCAL_SCHEMES and parts.hostname not in LOOPBACK


class Browser:
    """One window; `folder` takes the screenshots."""

    def __init__(self, driver, folder):
        self.driver = driver
        self._folder = folder
        self._requested = []

    def open(self, address):
        self.driver.get(address)

    def wait_for(self, holds, seconds=20):
        """What `holds()` gives once it is true; fails when it stays false for so long."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, seconds).until(lambda _: holds())

    def text(self):
        """All text that the page shows."""
        return self.driver.find_element("tag name", "body").text

    def click(self, text):
        """Click the last element that holds exactly this text."""
        self.driver.find_elements("xpath", f"//*[text()={json.dumps(text)}]")[-1].click()

    def requested(self):
        """Every address that pages asked for so far, in order."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ASKED:
                found = message["params"]
                self._requested.append(found.get("url") or found["request"]["url"])
        return list(self._requested)

    def outside(self):
        """The addresses among them that are not on this machine."""
        return [address for address in self.requested() if is_outside(address)]

    def complaints(self):
        """Errors on the page's console since the last call; a missing icon is none."""
        entries = self.driver.get_log("browser")
        said = [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
        return [message for message in said if "favicon.ico" not in message]

    def screenshot(self, name):
        """Path of a PNG of the window as it is now."""
        path = self._folder / f"{name}.png"
        self.driver.save_screenshot(str(path))
        kept = os.environ.get("BILEVEL_SCREENSHOTS")
        if kept:
            Path(kept).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, kept)
        return path


def start(width=1280, height=900):
    """Selenium's driver of a new headless window; skips the test where there is none to be had."""
    webdriver = pytest.importorskip("selenium.webdriver")
    binary = next(filter(None, map(shutil.which, BINARIES)), None)
    chromedriver = shutil.which("chromedriver")
    if binary is None or chromedriver is None:
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in (*SWITCHES, f"--window-size={width},{height}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    # Both paths are given, so that Selenium looks nothing up and downloads nothing.
    service = webdriver.ChromeService(executable_path=chromedriver)
    return webdriver.Chrome(options=options, service=service)


@pytest.fixture
def browser(tmp_path):
    driver = start()
    try:
        yield Browser(driver, tmp_path)
    finally:
        driver.quit()

"""Drives the page in headless Chromium, by plain WebDriver over HTTP: standard library, chromium and chromedriver.

    PAGE_URL=http://127.0.0.1:PORT/ python3 tests/page_test.py [SCREENSHOT.png]

Fills in the form, waits for the offer in the list, moves the slider, picks a place on the map, and checks that the
console has no errors and that nothing was requested from anywhere but the page's own server. Exit status 0 if all
of it is so. CHROMIUM and CHROMEDRIVER name other programs than those on the PATH; PAGE_SCHEME is `light` or `dark`,
PAGE_SIZE the window, such as 1440x1500, PAGE_SETTLE_S how long the page runs before the screenshot; with PAGE_LOOK_ONLY
set there is the screenshot only.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --force-device-scale-factor=1"
).split()
WAIT_S = 30
CONTROL_KEY, DELETE_KEY = "\ue009", "\ue017"


class Browser:
    """One session of chromedriver."""

    def __init__(self, size, scheme):
        driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        if not driver or not chromium:
            raise SystemExit("chromium and chromedriver are needed (Debian: chromium, chromium-driver)")
        self.profile = tempfile.TemporaryDirectory(prefix="page-test-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.base = f"http://127.0.0.1:{self._port()}"
        options = {
            "binary": chromium,
            "args": [*FLAGS, f"--user-data-dir={self.profile.name}", f"--window-size={size[0]},{size[1]}"],
        }
        capabilities = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self.base += f"/session/{session['sessionId']}"
        feature = [{"name": "prefers-color-scheme", "value": scheme}]
        self.devtools("Emulation.setEmulatedMedia", {"features": feature})
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)

    def _port(self):
        for line in self.process.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                return int(found[1])
        raise RuntimeError("chromedriver ended before it listened")

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {json.load(error)['value']['message']}") from None

    def devtools(self, command, parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def find(self, selector):
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        return found[ELEMENT]

    def type(self, selector, text):
        element = self.find(selector)
        self.call("POST", f"/element/{element}/value", {"text": CONTROL_KEY + "a" + CONTROL_KEY + DELETE_KEY + text})

    def click(self, selector):
        self.call("POST", f"/element/{self.find(selector)}/click", {})

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def until(self, what, script, *arguments):
        """Waits until a script returns something true, and returns it."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            value = self.run(script, *arguments)
            if value:
                return value
            time.sleep(0.1)
        raise AssertionError(f"not within {WAIT_S} s: {what}")

    def log(self, kind):
        return self.call("POST", "/se/log", {"type": kind})

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def close(self):
        try:
            self.call("DELETE", "")
        finally:
            self.process.terminate()
            self.process.wait(timeout=10)
            self.process.stdout.close()
            self.profile.cleanup()


def sign_up_by_city(browser):
    browser.type("#name", "Inês Moreira")
    browser.type("#email", "ines@example.org")
    browser.type("#city", "Lisbon, Portugal")
    browser.click("#signup button[type=submit]")
    text = browser.until(
        "the offer for the sign-up in the list",
        """const line = [...document.querySelectorAll("#list li.mine[data-status=offered]")]
             .find((li) => li.textContent.includes("Inês Moreira"));
           return line && line.textContent;""",
    )
    assert "Lisbon, Portugal" in text and "options from $" in text, text
    note = browser.until("the answer at the form", "return [...document.querySelectorAll('.note[data-tone=good]')].find((n) => n.offsetParent)?.textContent")
    assert "Lisbon" in note and "found in" in note, note


def refuse_a_bad_form(browser):
    browser.type("#email", "not an address")
    browser.click("#signup button[type=submit]")
    browser.until("the mistake is named", "return [...document.querySelectorAll('.note[data-tone=error]')].find((n) => n.offsetParent)?.textContent")
    assert browser.run("return document.activeElement.id") == "email"
    browser.type("#email", "ines@example.org")


def sign_up_from_the_ocean(browser):
    """A click on the map far from any land."""
    browser.run(
        """const map = document.getElementById("map"), box = map.getBoundingClientRect();
           map.dispatchEvent(new MouseEvent("click",
             {clientX: box.left + 0.15 * box.width, clientY: box.top + 0.70 * box.height, bubbles: true}));"""
    )
    latitude = float(browser.run("return document.getElementById('latitude').value"))
    assert -30 < latitude < 0, latitude
    browser.click("#signup button[type=submit]")
    reason = browser.until(
        "the reason why the ocean is not served",
        "return document.querySelector('#list li.mine[data-status=unserved] .no')?.textContent",
    )
    assert "500 km" in reason, reason


def move_the_slider(browser):
    slider = browser.find("#rate")
    before = browser.run("return Number(document.getElementById('rate-number').value)")
    browser.call("POST", f"/element/{slider}/value", {"text": "\ue014" * 60})
    after = browser.run("return Number(document.getElementById('rate-number').value)")
    assert after > before, (before, after)
    browser.until(
        "generated sign-ups with offers",
        "return document.querySelectorAll('#list li:not(.mine)[data-status=offered]').length >= 3",
    )


def check_silence(browser, url):
    errors = [entry["message"] for entry in browser.log("browser") if entry["level"] == "SEVERE"]
    # The refused form is an HTTP status that Chromium writes to the console.
    errors = [message for message in errors if "/api/signups" not in message or "422" not in message]
    assert not errors, errors
    requested = set()
    for entry in browser.log("performance"):
        message = json.loads(entry["message"])["message"]
        # The browser's own start page asks for things too; only what this page asks for is of interest.
        ours = message["params"].get("documentURL", "").startswith(url)
        if message["method"] == "Network.requestWillBeSent" and ours:
            requested.add(message["params"]["request"]["url"])
    foreign = [address for address in requested if not address.startswith((url, "data:"))]
    assert requested and not foreign, foreign


def main():
    if not os.environ.get("PAGE_URL"):
        raise SystemExit("set PAGE_URL to the address of the page")
    url = os.environ["PAGE_URL"].rstrip("/") + "/"
    size = [int(part) for part in os.environ.get("PAGE_SIZE", "1440x1500").split("x")]
    browser = Browser(size, os.environ.get("PAGE_SCHEME", "light"))
    try:
        browser.call("POST", "/url", {"url": url})
        browser.until("the page is connected", "return document.getElementById('status').dataset.state === 'up'")
        browser.until("the table of places", "return document.getElementById('cities').options.length > 600")
        if not os.environ.get("PAGE_LOOK_ONLY"):
            sign_up_by_city(browser)
            refuse_a_bad_form(browser)
            sign_up_from_the_ocean(browser)
            move_the_slider(browser)
            check_silence(browser, url)
        time.sleep(float(os.environ.get("PAGE_SETTLE_S", "2")))
        if len(sys.argv) > 1:
            browser.screenshot(sys.argv[1])
    finally:
        browser.close()
    print("the page works")


if __name__ == "__main__":
    main()

"""A headless Chromium, driven by the WebDriver protocol with nothing but the standard library."""

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from support.server import die_with_parent

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
START_LIMIT_SECONDS = 30
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class BrowserError(Exception):
    """What the driver answered instead of doing as asked."""


class Browser:
    """One window. Use as a context manager."""

    def __init__(self, width=1400, height=1000):
        self.profile = tempfile.mkdtemp(prefix="millstream-browser-")
        # Below the range from which the kernel gives ports away, two drivers could meet; a port that was free is good enough.
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}"
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        try:
            self._wait_for_driver()
            self.session = self._open_session(width, height)
        except BaseException:
            self.close()
            raise

    def _wait_for_driver(self):
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while True:
            try:
                if self._call("GET", "/status")["ready"]:
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def _open_session(self, width, height):
        binary = next(path for name in BROWSERS if (path := shutil.which(name)))
        arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            f"--window-size={width},{height}", f"--user-data-dir={self.profile}",
            # The page must work without a network: every name but the loopback's fails.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        ]
        wanted = {"browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"},
                  "goog:chromeOptions": {"binary": binary, "args": arguments}}
        return self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def _call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as refused:
            raise BrowserError(json.load(refused)["value"]["message"]) from None

    def _do(self, method, path, body=None):
        return self._call(method, f"/session/{self.session}{path}", body)

    def open(self, address):
        """Goes to an address and waits until the page is loaded."""
        self._do("POST", "/url", {"url": address})

    def run(self, script, *arguments):
        """Runs JavaScript in the page; what it returns."""
        return self._do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        """The first element that a CSS selector finds."""
        return self._do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        """Clicks in the middle of an element."""
        self._do("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        """Replaces what is in a field."""
        element = self.find(selector)
        self._do("POST", f"/element/{element}/clear", {})
        self._do("POST", f"/element/{element}/value", {"text": text})

    def text(self, selector="body"):
        """What a person reads there."""
        return self._do("GET", f"/element/{self.find(selector)}/text")

    def console(self):
        """What the page has logged since the last call: errors of its scripts among it."""
        return self._do("POST", "/se/log", {"type": "browser"})

    def screenshot(self, path):
        """Saves what the window shows."""
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._do("GET", "/screenshot")))

    def close(self):
        """Ends the browser and its driver."""
        try:
            if getattr(self, "session", None):
                self._do("DELETE", "")
        finally:
            self.driver.kill()
            self.driver.wait()
            shutil.rmtree(self.profile, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

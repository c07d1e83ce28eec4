"""The demo's page in headless Chromium, without a network: form, map, list, rate, plots."""

import time
import unittest

from support.browser import Browser
from support.demo import Demo

PATIENCE_SECONDS = 40


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.demo = Demo("--page", "127.0.0.1:0", "--rate", "0")
        cls.addClassCleanup(cls.demo.kill)
        cls.address = cls.demo.address()
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.browser.open(self.address)
        self.eventually(lambda: self.browser.text("#status") == "Live", "the page is connected")

    def tearDown(self):
        errors = [entry["message"] for entry in self.browser.console() if entry["level"] == "SEVERE"]
        self.assertEqual(errors, [])

    def eventually(self, probe, what):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (value := probe()):
            if time.monotonic() > deadline:
                self.fail(f"not after {PATIENCE_SECONDS} s: {what}\n{self.browser.text()}\n{self.demo.printed()}")
            time.sleep(0.1)
        return value

    def note(self):
        return self.browser.text("#signup .note")

    def count(self, name):
        return int(self.browser.text(f"#count-{name}").replace(",", ""))

    def sign_up(self, name, **fields):
        """Fills in the form and sends it; what the form says once the offer is there."""
        self.browser.type("#name", name)
        self.browser.type("#email", "someone@example.org")
        for field, text in fields.items():
            self.browser.type(f"#{field}", text)
        self.browser.click("#signup button[type=submit]")
        self.eventually(lambda: self.browser.run("return document.querySelector('#signup .note').dataset.tone"), "an answer to the form")
        return self.note()

    def set_rate(self, rate):
        self.browser.run(
            "const box = document.querySelector('#rate-number'); box.value = arguments[0]; box.dispatchEvent(new Event('change'))", rate)

    def test_a_sign_up_with_a_city_gets_its_options(self):
        before = self.count("enriched")
        answer = self.sign_up("Ada Lovelace", city="Lisbon, Portugal")
        self.assertIn("Lisbon", answer)
        self.assertRegex(answer, r"\d+ options? from \$")
        self.eventually(lambda: "Ada Lovelace" in self.browser.text("#list"), "the sign-up is in the list")
        self.eventually(lambda: self.count("enriched") > before, "it is counted")
        self.assertEqual(self.count("lost"), 0)

    def test_a_sign_up_with_coordinates_gets_its_options(self):
        self.browser.run("document.querySelector('input[name=kind][value=point]').click()")
        answer = self.sign_up("Grace Hopper", latitude="35.68", longitude="139.69")
        self.assertRegex(answer, r"\d+ options? from \$")

    def test_a_click_on_the_map_fills_in_the_coordinates(self):
        self.browser.click("#map")
        value = "return document.querySelector('#{}').value"
        self.eventually(lambda: self.browser.run(value.format("latitude")), "the latitude is filled in")
        self.assertTrue(self.browser.run(value.format("longitude")))
        self.assertEqual(self.browser.run("return document.querySelector('input[name=kind]:checked').value"), "point")

    def test_what_is_missing_is_said_at_the_field(self):
        self.browser.click("#signup button[type=submit]")
        self.assertIn("name", self.note())
        self.assertEqual(self.browser.run("return document.activeElement.id"), "name")

    def test_the_generator_follows_the_page_and_the_plots_show_it(self):
        self.set_rate(50)
        self.addCleanup(self.set_rate, 0)
        before = self.count("put")
        self.eventually(lambda: self.count("put") > before + 60, "generated sign-ups are put")
        self.eventually(lambda: self.browser.text("#count-p50") != "–", "the latency is shown")
        drawn = (
            "const c = document.querySelector(arguments[0] + ' canvas');"
            "return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size > 2"
        )
        for plot in ("#plot-rate", "#plot-latency", "#plot-age"):
            self.eventually(lambda plot=plot: self.browser.run(drawn, plot), f"{plot} shows something")
        self.assertGreater(self.browser.run("return document.querySelectorAll('#list > li').length"), 5)
        self.set_rate(0)
        self.eventually(lambda: self.count("put") == self.count("enriched"), "every sign-up is answered")
        self.assertEqual((self.count("lost"), self.count("duplicates")), (0, 0))

    def test_nothing_comes_from_elsewhere(self):
        loaded = self.browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        self.assertTrue(loaded)
        self.assertEqual([name for name in loaded if not name.startswith(self.address)], [])

    def test_it_fits_a_small_window(self):
        with Browser(width=420, height=800) as small:
            small.open(self.address)
            self.assertLessEqual(small.run("return document.documentElement.scrollWidth"), small.run("return window.innerWidth"))


class End(unittest.TestCase):
    def test_ctrl_c_ends_the_demo_with_a_page_open(self):
        with Demo("--page", "127.0.0.1:0", "--rate", "10") as demo, Browser() as browser:
            browser.open(demo.address())
            time.sleep(3)
            code = demo.interrupt()
            self.assertEqual(code, 0, demo.printed())
            self.assertIn("Sign-ups put", demo.printed())


if __name__ == "__main__":
    unittest.main()

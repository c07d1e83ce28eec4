"""The catalogue and the tables of the layer. Run: python3 -m unittest discover examples/internet-provider/tests"""

import csv
import math
import random
import re
import sys
import unittest
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(EXAMPLE / "layer" / "python"))

from bandwidth import catalogue, places, tables  # noqa: E402


class Tables(unittest.TestCase):
    def test_countries_are_many_and_sound(self):
        countries = tables.countries()
        self.assertGreaterEqual(len(countries), 200)
        for country in countries.values():
            self.assertRegex(country.code, r"^[A-Z]{2}$")
            self.assertIn(country.region, tables.plans()["regions"])
            self.assertIn(str(country.tier), tables.plans()["tiers"])

    def test_cities_are_many_sound_and_in_every_country(self):
        cities = tables.cities()
        self.assertGreaterEqual(len(cities), 600)
        self.assertEqual({city.country.code for city in cities}, set(tables.countries()))
        self.assertEqual(len({(city.country.code, city.name) for city in cities}), len(cities))
        for city in cities:
            self.assertTrue(-90 < city.latitude < 90 and -180 <= city.longitude <= 180, city)
            self.assertGreater(city.population_thousands, 0, city)

    def test_known_cities_are_where_they_are(self):
        known = {"Lisbon": (38.72, -9.14), "Nairobi": (-1.29, 36.82), "Tokyo": (35.68, 139.69), "Lima": (-12.05, -77.04)}
        for name, (latitude, longitude) in known.items():
            city = places.find_city(name)
            self.assertLess(places.distance_km(latitude, longitude, city.latitude, city.longitude), 10, name)

    def test_no_field_needs_quotes(self):
        # The Rust side splits the lines at commas.
        for name in ("countries.csv", "cities.csv"):
            text = (tables.DATA / name).read_text(encoding="utf-8")
            self.assertNotIn('"', text)
            width = len(next(csv.reader([text.splitlines()[0]])))
            for line in text.splitlines():
                self.assertEqual(line.count(","), width - 1, line)

    def test_plans_name_known_technologies_and_regions(self):
        plans = tables.plans()
        for tier in plans["tiers"].values():
            for plan in tier:
                self.assertIn(plan["technology"], plans["technologies"])
                self.assertGreaterEqual(plan["down"], plan["up"])
        for region in plans["regions"].values():
            self.assertLessEqual(set(region["not_built"]), set(plans["technologies"]))


class Places(unittest.TestCase):
    def test_names_are_found_without_accents_and_case(self):
        for text, name in [
            ("sao paulo", "São Paulo"),
            ("ZÜRICH", "Zürich"),
            ("st johns", "St. John's"),
            ("Nuku'alofa", "Nukuʻalofa"),
            ("lodz", "Łódź"),
            ("  Québec  ", "Québec"),
        ]:
            found = places.find_city(text)
            self.assertIsNotNone(found, text)
            self.assertEqual(found.name, name)

    def test_every_country_is_found_by_code_and_name_and_every_city_in_it(self):
        for country in tables.countries().values():
            self.assertEqual(places.find_country(country.code.lower()), country)
            self.assertEqual(places.find_country(country.name.upper()), country)
        for city in tables.cities():
            self.assertEqual(places.find_city(city.name, city.country), city)

    def test_a_country_tells_namesakes_apart(self):
        self.assertEqual(places.find_city("Tripoli").country.code, "LY")
        self.assertEqual(places.find_city("Tripoli", places.find_country("lebanon")).country.code, "LB")
        self.assertIsNone(places.find_city("Lisbon", places.find_country("DE")))

    def test_the_grid_finds_what_a_full_search_finds(self):
        chance = random.Random(7)
        for _ in range(500):
            latitude, longitude = chance.uniform(-90, 90), chance.uniform(-180, 180)
            distances = (
                (places.distance_km(latitude, longitude, city.latitude, city.longitude), city.name)
                for city in tables.cities()
            )
            kilometres, name = min(distances)
            found = places.nearest_city(latitude, longitude, 500)
            if kilometres > 500:
                self.assertIsNone(found)
            else:
                self.assertEqual(found[0].name, name)
                self.assertAlmostEqual(found[1], kilometres)

    def test_the_antimeridian_and_the_poles_are_no_edges(self):
        self.assertEqual(places.nearest_city(-18.1, -179.99, 500)[0].name, "Suva")
        self.assertEqual(places.nearest_city(64.7, -179.9, 500)[0].name, "Anadyr")
        self.assertIsNone(places.nearest_city(90, 0, 500))
        self.assertIsNone(places.nearest_city(-90, 180, 500))

    def test_distance(self):
        self.assertAlmostEqual(places.distance_km(0, 0, 0, 180), math.pi * places.EARTH_RADIUS_KM, places=3)
        self.assertAlmostEqual(places.distance_km(48.86, 2.35, 51.51, -0.13), 344, delta=3)


class Catalogue(unittest.TestCase):
    def test_a_city_gets_options_cheapest_first(self):
        answer = catalogue.look_up({"city": "Lisbon", "country": "PT"})
        self.assertEqual(answer.status, "offered")
        self.assertEqual(answer.place["country"], "Portugal")
        prices = [option["price_usd_month"] for option in answer.options]
        self.assertEqual(prices, sorted(prices))
        self.assertGreaterEqual(len(prices), 3)
        self.assertIn("Fibre to the home", {option["technology"] for option in answer.options})

    def test_every_city_has_options(self):
        for city in tables.cities():
            self.assertTrue(catalogue.plans_at(city, 0.0), city)

    def test_far_from_the_city_only_the_sky_is_left(self):
        answer = catalogue.look_up({"latitude": 47.0, "longitude": -110.0})
        self.assertEqual({option["technology"] for option in answer.options}, {"LEO satellite"})
        self.assertGreater(answer.place["distance_km"], 100)

    def test_places_that_cannot_be_served(self):
        for place, code in [
            ({"latitude": -12.0, "longitude": -120.0}, "too-remote"),
            ({"latitude": 88.0, "longitude": 10.0}, "too-remote"),
            ({"latitude": -78.5, "longitude": 106.9}, "antarctica"),
            ({"city": "Atlantis"}, "unknown-city"),
            ({"city": "Lisbon", "country": "Japan"}, "unknown-city"),
        ]:
            answer = catalogue.look_up(place)
            self.assertEqual((answer.status, answer.reason["code"]), ("unserved", code), place)
            self.assertEqual(answer.options, [])

    def test_places_that_are_none(self):
        for place, code in [
            (None, "no-place"),
            ([], "no-place"),
            ({}, "no-place"),
            ({"city": ""}, "no-place"),
            ({"city": "…"}, "no-place"),
            ({"city": 7}, "no-place"),
            ({"city": "x" * 101}, "no-place"),
            ({"city": "Lisbon", "country": "Narnia"}, "unknown-country"),
            ({"city": "Lisbon", "country": 5}, "unknown-country"),
            ({"latitude": 91, "longitude": 0}, "invalid-coordinates"),
            ({"latitude": 0, "longitude": -181}, "invalid-coordinates"),
            ({"latitude": float("nan"), "longitude": 0}, "invalid-coordinates"),
            ({"latitude": float("inf"), "longitude": 0}, "invalid-coordinates"),
            ({"latitude": "1", "longitude": 0}, "invalid-coordinates"),
            ({"latitude": True, "longitude": 0}, "invalid-coordinates"),
            ({"latitude": 10}, "invalid-coordinates"),
            ({"longitude": 10, "city": "Lisbon"}, "invalid-coordinates"),
            ({"latitude": 10**400, "longitude": 0}, "invalid-coordinates"),
        ]:
            answer = catalogue.look_up(place)
            self.assertEqual((answer.status, answer.reason["code"]), ("rejected", code), place)

    def test_a_near_miss_is_answered_with_what_was_meant(self):
        answer = catalogue.look_up({"city": "Pariss", "country": "France"})
        self.assertIn("did you mean Paris?", answer.reason["message"])

    def test_a_reason_is_a_sentence(self):
        for place in (None, {"city": "Atlantis"}, {"latitude": 0, "longitude": -140}, {"latitude": 99, "longitude": 0}):
            self.assertTrue(re.fullmatch(r"[A-Z].*[.?]", catalogue.look_up(place).reason["message"]))


if __name__ == "__main__":
    unittest.main()

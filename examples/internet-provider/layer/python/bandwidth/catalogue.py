"""What can be offered at a place, or a clear reason why nothing can."""

import zlib
from dataclasses import dataclass, field

from bandwidth import places, tables

OFFERED = "offered"
UNSERVED = "unserved"  # a real place that the provider cannot reach
REJECTED = "rejected"  # not a place at all

MAX_NAME_CHARACTERS = 100


@dataclass(frozen=True)
class Answer:
    """``options`` are plans, cheapest first; ``reason`` is set unless the status is ``offered``."""

    status: str
    place: dict = None
    options: list = field(default_factory=list)
    reason: dict = None

    def as_dict(self):
        answer = {"status": self.status, "options": self.options}
        if self.place is not None:
            answer["place"] = self.place
        if self.reason is not None:
            answer["reason"] = self.reason
        return answer


def _refuse(status, code, message, place=None):
    return Answer(status, place=place, reason={"code": code, "message": message})


def look_up(place):
    """Looks up a place: ``{"city", "country"?}`` or ``{"latitude", "longitude"}``. Never raises for bad input."""
    if not isinstance(place, dict):
        return _refuse(REJECTED, "no-place", "The sign-up names no place: give a city, or latitude and longitude.")
    if "latitude" in place or "longitude" in place:
        return _by_coordinates(place.get("latitude"), place.get("longitude"))
    return _by_name(place.get("city"), place.get("country"))


def _by_coordinates(latitude, longitude):
    for name, value, limit in (("latitude", latitude, 90), ("longitude", longitude, 180)):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not -limit <= value <= limit:  # false for NaN too
            message = f"The {name} must be a number from -{limit} to {limit} degrees."
            return _refuse(REJECTED, "invalid-coordinates", message)

    here = {"latitude": latitude, "longitude": longitude}
    service = tables.plans()["service"]
    if latitude < service["southernmost_latitude"]:
        return _refuse(UNSERVED, "antarctica", "Antarctica has no consumer internet service.", here)
    found = places.nearest_city(latitude, longitude, service["reach_km"])
    if found is None:
        message = f"There is no city within {service['reach_km']} km of this place: no network reaches it."
        return _refuse(UNSERVED, "too-remote", message, here)
    city, distance_km = found
    return _offer(city, latitude, longitude, distance_km)


def _by_name(name, country_text):
    if not isinstance(name, str) or not places.normalise(name):
        return _refuse(REJECTED, "no-place", "The sign-up names no place: give a city, or latitude and longitude.")
    if len(name) > MAX_NAME_CHARACTERS:
        return _refuse(REJECTED, "no-place", f"The name of the city is longer than {MAX_NAME_CHARACTERS} characters.")
    country = None
    if country_text is not None:
        known = isinstance(country_text, str) and len(country_text) <= MAX_NAME_CHARACTERS
        country = places.find_country(country_text) if known else None
        if country is None:
            return _refuse(REJECTED, "unknown-country", "The country is not known: give its name or two-letter code.")
    city = places.find_city(name, country)
    if city is None:
        where = "" if country is None else f" in {country.name}"
        message = f"The city “{name}” is not in our table{where}"
        similar = places.similar_city_names(name, country)
        message += f"; did you mean {' or '.join(similar)}?" if similar else ": give its coordinates instead."
        return _refuse(UNSERVED, "unknown-city", message)
    return _offer(city, city.latitude, city.longitude, 0.0)


def _offer(city, latitude, longitude, distance_km):
    place = {
        "city": city.name,
        "country": city.country.name,
        "country_code": city.country.code,
        "region": tables.plans()["regions"][city.country.region]["name"],
        "latitude": latitude,
        "longitude": longitude,
        "distance_km": round(distance_km, 1),
    }
    options = plans_at(city, distance_km)
    if not options:
        message = f"No network is licensed {distance_km:.0f} km from {city.name}, the nearest city."
        return _refuse(UNSERVED, "no-network", message, place)
    return Answer(OFFERED, place=place, options=options)


def plans_at(city, distance_km):
    """The plans sold ``distance_km`` from the centre of a city, cheapest first.

    A plan is sold where its technology reaches, is built in the region, is licensed in the country, and the
    city is large enough to have it.
    """
    data, country = tables.plans(), city.country
    region = data["regions"][country.region]
    factor = region["price_factor"] * _national_factor(country.code)
    options = []
    for plan in data["tiers"][str(country.tier)]:
        technology = data["technologies"][plan["technology"]]
        sold = (
            distance_km <= technology["reach_km"]
            and plan["population_thousands"] <= city.population_thousands
            and plan["technology"] not in region["not_built"]
            and country.code not in data["without_licence"].get(plan["technology"], ())
        )
        if sold:
            options.append(
                {
                    "plan": plan["plan"],
                    "technology": technology["name"],
                    "down_mbps": plan["down"],
                    "up_mbps": plan["up"],
                    "latency_ms": technology["latency_ms"],
                    "price_usd_month": _price(plan["price"] * factor),
                }
            )
    options.sort(key=lambda option: (option["price_usd_month"], -option["down_mbps"]))
    return options


def _national_factor(code):
    """Between 0.88 and 1.12, fixed for a country: neighbours differ a little, as they do."""
    return 0.88 + (zlib.crc32(code.encode()) % 25) / 100


def _price(amount):
    """The price as a shop writes it: whole dollars less ten cents."""
    return max(5, round(amount)) - 0.1

"""From what a customer wrote to a city: by name, or the nearest one to a pair of coordinates."""

import functools
import math
import unicodedata

from bandwidth import tables

EARTH_RADIUS_KM = 6371.0088
_CELL_DEGREES = 5
_COLUMNS = 360 // _CELL_DEGREES
_KM_PER_DEGREE = math.pi * EARTH_RADIUS_KM / 180

# Letters that Unicode does not decompose into a base letter and an accent.
_PLAIN = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ʻ": "", "'": "", "’": ""}
)


def normalise(name):
    """A name as it is compared: without accents, case, punctuation and double blanks."""
    decomposed = unicodedata.normalize("NFKD", name).casefold().translate(_PLAIN)
    kept = (c if c.isalnum() else " " for c in decomposed if not unicodedata.combining(c))
    words = ["saint" if word == "st" else word for word in "".join(kept).split()]
    return " ".join(words)


def distance_km(latitude_1, longitude_1, latitude_2, longitude_2):
    """Great-circle distance (haversine) in km."""
    phi_1, phi_2 = math.radians(latitude_1), math.radians(latitude_2)
    half_dphi = (phi_2 - phi_1) / 2
    half_dlambda = math.radians(longitude_2 - longitude_1) / 2
    a = math.sin(half_dphi) ** 2 + math.cos(phi_1) * math.cos(phi_2) * math.sin(half_dlambda) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(a)))


def _row(latitude):
    return int((min(max(latitude, -90.0), 89.999999) + 90) // _CELL_DEGREES)


def _column(longitude):
    return int((longitude + 180) // _CELL_DEGREES) % _COLUMNS


@functools.lru_cache(maxsize=None)
def _grid():
    grid = {}
    for city in tables.cities():
        grid.setdefault((_row(city.latitude), _column(city.longitude)), []).append(city)
    return grid


def nearest_city(latitude, longitude, within_km):
    """The nearest city and its distance in km, or ``None`` if there is none within ``within_km``.

    Looks only at the cells of the grid that the circle around the point can touch. Near a pole the
    circle spans every meridian, so all columns of a row are looked at.
    """
    reach_degrees = within_km / _KM_PER_DEGREE
    widest = min(90.0, max(abs(latitude - reach_degrees), abs(latitude + reach_degrees)))
    cosine = math.cos(math.radians(widest))
    span = _COLUMNS if cosine < 0.05 else math.ceil(reach_degrees / cosine / _CELL_DEGREES)
    home = _column(longitude)
    if 2 * span + 1 >= _COLUMNS:
        columns = range(_COLUMNS)
    else:
        columns = [(home + step) % _COLUMNS for step in range(-span, span + 1)]

    grid, best, best_km = _grid(), None, within_km
    for row in range(_row(latitude - reach_degrees), _row(latitude + reach_degrees) + 1):
        for column in columns:
            for city in grid.get((row, column), ()):
                km = distance_km(latitude, longitude, city.latitude, city.longitude)
                if km <= best_km:
                    best, best_km = city, km
    return None if best is None else (best, best_km)


@functools.lru_cache(maxsize=None)
def _cities_by_name():
    names = {}
    for city in tables.cities():
        names.setdefault(normalise(city.name), []).append(city)
    return names


@functools.lru_cache(maxsize=None)
def _countries_by_name():
    names = {}
    for country in tables.countries().values():
        names[country.code.casefold()] = country
        names[normalise(country.name)] = country
    return names


def find_country(text):
    """A country by its code or its name, or ``None``."""
    names = _countries_by_name()
    return names.get(text.strip().casefold()) or names.get(normalise(text))


def find_city(name, country=None):
    """The city of that name (in that country), the most populous if there are several, or ``None``."""
    matches = _cities_by_name().get(normalise(name), [])
    if country is not None:
        matches = [city for city in matches if city.country.code == country.code]
    return max(matches, key=lambda city: city.population_thousands, default=None)


def similar_city_names(name, country=None, at_most=3):
    """Names close to one that was not found, for the answer to the customer."""
    import difflib  # only here: most look-ups succeed and never need it

    known = {
        normalise(city.name): city.name
        for city in tables.cities()
        if country is None or city.country.code == country.code
    }
    return [known[match] for match in difflib.get_close_matches(normalise(name), known, at_most, 0.7)]

"""The tables of the layer, read once per process."""

import csv
import functools
import json
from dataclasses import dataclass
from pathlib import Path

# <layer>/python/bandwidth/tables.py beside <layer>/bandwidth/*.csv; on Lambda <layer> is /opt.
DATA = Path(__file__).resolve().parents[2] / "bandwidth"


@dataclass(frozen=True)
class Country:
    code: str  # ISO 3166-1 alpha-2 (and XK)
    name: str
    region: str  # a key of `regions` in plans.json
    tier: int  # 1: dense, modern networks … 4: sparse networks


@dataclass(frozen=True)
class City:
    name: str
    country: Country
    latitude: float  # degrees, north positive
    longitude: float  # degrees, east positive
    population_thousands: int


def _rows(name):
    with open(DATA / name, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@functools.lru_cache(maxsize=None)
def countries():
    """Every country by its code."""
    return {
        row["code"]: Country(row["code"], row["name"], row["region"], int(row["tier"]))
        for row in _rows("countries.csv")
    }


@functools.lru_cache(maxsize=None)
def cities():
    """Every city; the capital or main town of a country comes before its other cities."""
    by_code = countries()
    return tuple(
        City(
            row["city"],
            by_code[row["country"]],
            float(row["latitude"]),
            float(row["longitude"]),
            int(row["population_thousands"]),
        )
        for row in _rows("cities.csv")
    )


@functools.lru_cache(maxsize=None)
def plans():
    """Technologies, plans by tier, price factors by region: the whole of plans.json."""
    with open(DATA / "plans.json", encoding="utf-8") as file:
        return json.load(file)

//! The layer's table of places, which the generator and the page use too.

use serde::Serialize;

const COUNTRIES: &str = include_str!("../layer/bandwidth/countries.csv");
const CITIES: &str = include_str!("../layer/bandwidth/cities.csv");

/// A country: its two-letter code, name and region (a key of the layer's `plans.json`).
#[derive(Debug)]
pub(crate) struct Country {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) region: &'static str,
}

/// A city; serialised as `[name, country code, latitude, longitude, thousands of people]`.
#[derive(Clone, Debug)]
pub(crate) struct City {
    pub(crate) name: &'static str,
    pub(crate) country: usize,
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    pub(crate) population_thousands: u32,
}

/// The whole table. The files have no quoted fields; a test of the layer says so.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) countries: Vec<Country>,
    pub(crate) cities: Vec<City>,
}

impl Places {
    pub(crate) fn load() -> Self {
        let countries: Vec<Country> = COUNTRIES.lines().skip(1).filter_map(country).collect();
        let cities = CITIES.lines().skip(1).filter_map(|line| city(line, &countries)).collect();
        Self { countries, cities }
    }

    /// The answer to `GET /api/places`.
    pub(crate) fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Table<'a> {
            countries: Vec<(&'a str, &'a str)>,
            cities: Vec<(&'a str, &'a str, f64, f64, u32)>,
        }
        let table = Table {
            countries: self.countries.iter().map(|country| (country.code, country.name)).collect(),
            cities: self
                .cities
                .iter()
                .map(|city| {
                    let code = self.countries[city.country].code;
                    (city.name, code, city.latitude, city.longitude, city.population_thousands)
                })
                .collect(),
        };
        serde_json::to_string(&table).expect("text and finite numbers serialise")
    }
}

fn country(line: &'static str) -> Option<Country> {
    let mut fields = line.split(',');
    Some(Country { code: fields.next()?, name: fields.next()?, region: fields.next()? })
}

fn city(line: &'static str, countries: &[Country]) -> Option<City> {
    let mut fields = line.split(',');
    let code = fields.next()?;
    Some(City {
        country: countries.iter().position(|country| country.code == code)?,
        name: fields.next()?,
        latitude: fields.next()?.parse().ok()?,
        longitude: fields.next()?.parse().ok()?,
        population_thousands: fields.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_tables_is_read() {
        let places = Places::load();
        assert_eq!(places.countries.len(), COUNTRIES.lines().count() - 1);
        assert_eq!(places.cities.len(), CITIES.lines().count() - 1);
        assert!(places.countries.len() >= 200 && places.cities.len() >= 600);
        for (index, country) in places.countries.iter().enumerate() {
            assert!(places.cities.iter().any(|city| city.country == index), "no city in {}", country.name);
        }
    }
}

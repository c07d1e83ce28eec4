//! Plausible users from around the world, the same for the same seed.

use crate::clock;
use crate::id::Run;
use crate::names;
use crate::places::{City, Places};
use crate::rng::Rng;
use crate::sign_up::{Origin, Place, SignUp, User};

/// Share of users who give coordinates instead of a city.
const BY_COORDINATES: f64 = 0.10;
/// Share of users whose place nobody can serve.
const UNSERVICEABLE: f64 = 0.004;
/// How far from the centre of their city, in degrees, most of those with coordinates live.
const SUBURB: f64 = 0.25;
/// The same for the few who live in the country.
const COUNTRYSIDE: f64 = 2.0;
const DOMAINS: &[&str] = &["example.com", "example.org", "example.net"];
/// In the middle of an ocean, on the ice, or nowhere.
const FAR_AWAY: &[(f64, f64)] = &[
    (-12.0, -120.0),
    (-47.0, -122.0),
    (28.0, -45.0),
    (-35.0, 75.0),
    (-78.5, 106.9),
    (-45.0, 80.0),
    (38.0, -170.0),
];
const LEGENDARY: &[&str] = &["Atlantis", "El Dorado", "Xanadu", "Shangri-La"];

/// See the module.
#[derive(Debug)]
pub(crate) struct Generator {
    places: Places,
    /// Sums of the weights of the cities up to each of them.
    cumulative: Vec<f64>,
    rng: Rng,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        let places = Places::load();
        let mut sum = 0.0;
        let weight = |city: &City| {
            // Less than in proportion, so that small places are seen too.
            sum += f64::from(city.population_thousands.max(1)).powf(0.7);
            sum
        };
        let cumulative = places.cities.iter().map(weight).collect();
        Self { places, cumulative, rng: Rng::new(seed) }
    }

    /// The next user, and where the map shows them.
    pub(crate) fn user(&mut self) -> (User, Option<(f64, f64)>) {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let at = self.rng.unit() * total;
        let index = self.cumulative.partition_point(|sum| *sum <= at).min(self.places.cities.len() - 1);
        let city = self.places.cities[index].clone();
        let country = &self.places.countries[city.country];
        let culture = names::of_country(country.code, country.region);
        let given = self.rng.pick(culture.given);
        let family = self.rng.pick(culture.family);
        let name =
            if culture.family_first { format!("{family} {given}") } else { format!("{given} {family}") };
        let number = self.rng.index(100);
        let domain = self.rng.pick(DOMAINS);
        let email = format!("{}.{}{number:02}@{domain}", ascii(given), ascii(family));
        let (place, at) = self.place(&city);
        (User { name, email, place }, at)
    }

    fn place(&mut self, city: &City) -> (Place, Option<(f64, f64)>) {
        if self.rng.chance(UNSERVICEABLE) {
            return if self.rng.chance(0.25) {
                (Place::City { city: self.rng.pick(LEGENDARY).to_owned(), country: None }, None)
            } else {
                let (latitude, longitude) = FAR_AWAY[self.rng.index(FAR_AWAY.len())];
                (Place::Point { latitude, longitude }, Some((latitude, longitude)))
            };
        }
        if self.rng.chance(BY_COORDINATES) {
            let reach = if self.rng.chance(0.1) { COUNTRYSIDE } else { SUBURB };
            let latitude = round(city.latitude + self.rng.between(-reach, reach)).clamp(-90.0, 90.0);
            let longitude = round(city.longitude + self.rng.between(-reach, reach)).clamp(-180.0, 180.0);
            return (Place::Point { latitude, longitude }, Some((latitude, longitude)));
        }
        let country = self.places.countries[city.country].code.to_owned();
        let place = Place::City { city: city.name.to_owned(), country: Some(country) };
        (place, Some((city.latitude, city.longitude)))
    }
}

/// Gives sign-ups their ids.
#[derive(Debug)]
pub(crate) struct Numbering {
    run: Run,
    next: std::sync::atomic::AtomicU64,
}

impl Numbering {
    pub(crate) fn new(run: Run) -> Self {
        Self { run, next: std::sync::atomic::AtomicU64::new(0) }
    }

    /// Makes a sign-up of a user, as of now.
    pub(crate) fn sign_up(&self, user: User, origin: Origin, shown_at: Option<(f64, f64)>) -> SignUp {
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        SignUp { id: self.run.id(number), number, user, origin, put_at_ms: clock::now_ms(), shown_at }
    }
}

/// Four decimals: about ten metres.
fn round(degrees: f64) -> f64 {
    (degrees * 1e4).round() / 1e4
}

/// A name as it appears in an e-mail address.
fn ascii(name: &str) -> String {
    let plain = |c: char| match c {
        'á' | 'à' | 'â' | 'ã' | 'å' => "a",
        'ä' => "ae",
        'ç' | 'ć' | 'č' | 'Ç' => "c",
        'é' | 'è' | 'ê' | 'ë' | 'É' => "e",
        'í' | 'ï' | 'î' | 'ı' => "i",
        'ñ' | 'ń' => "n",
        'ó' | 'ô' | 'õ' => "o",
        'ö' | 'ø' | 'Ö' => "oe",
        'ş' | 'š' | 'Ş' => "s",
        'ú' => "u",
        'ü' => "ue",
        'ý' => "y",
        'ž' => "z",
        _ => "",
    };
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            text.push(c.to_ascii_lowercase());
        } else {
            text.push_str(plain(c));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_users() {
        let users = |seed| {
            let mut generator = Generator::new(seed);
            (0..500).map(|_| generator.user()).collect::<Vec<_>>()
        };
        assert_eq!(users(7), users(7));
        assert_ne!(users(7), users(8));
    }

    #[test]
    fn every_user_passes_the_checks_of_the_form() {
        let mut generator = Generator::new(1);
        for _ in 0..5_000 {
            let (user, _) = generator.user();
            assert_eq!(user.clone().checked(), Ok(user.clone()));
            assert!(user.email.is_ascii(), "{}", user.email);
        }
    }

    #[test]
    fn users_come_from_all_over_the_world_and_a_few_from_nowhere() {
        let mut generator = Generator::new(2);
        let mut countries = std::collections::BTreeSet::new();
        let (mut points, mut nowhere) = (0, 0);
        for _ in 0..10_000 {
            match generator.user().0.place {
                Place::City { country: Some(country), .. } => drop(countries.insert(country)),
                Place::City { country: None, .. } => nowhere += 1,
                Place::Point { .. } => points += 1,
            }
        }
        assert!(countries.len() > 150, "{}", countries.len());
        assert!((800..1_300).contains(&points), "{points}");
        assert!((1..40).contains(&nowhere), "{nowhere}");
    }

    #[test]
    fn every_letter_of_every_name_has_a_plain_form() {
        let places = Places::load();
        for country in &places.countries {
            let culture = names::of_country(country.code, country.region);
            for name in culture.given.iter().chain(culture.family) {
                let letters = name.chars().filter(|c| c.is_alphabetic()).count();
                assert!(ascii(name).chars().count() >= letters, "{name}: {}", ascii(name));
            }
        }
    }
}

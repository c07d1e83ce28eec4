//! What the page shows of single sign-ups: a bounded list of recent ones, and points that pulse on the map.

use std::collections::VecDeque;

use serde::Serialize;

use crate::caps::{MAX_LIST, MAX_LIST_PER_TICK, MAX_POINTS_PER_TICK};
use crate::offer::{Offer, OfferPlace, Plan, Reason, Status};
use crate::sign_up::{Origin, Place, SignUp};

/// A line of the page's list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The place as the user gave it, or as the function understood it.
    pub(crate) place: String,
    pub(crate) origin: Origin,
    /// An offer of an earlier run, read from the stream.
    pub(crate) earlier: bool,
    pub(crate) put_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<(f64, f64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) options: Vec<Plan>,
    /// Distance of the place from the city whose networks serve it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) distance_km: Option<f64>,
    /// Time from put to offer, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_ms: Option<f64>,
    #[serde(skip)]
    changed: bool,
}

/// A pulse on the map: latitude, longitude and whether there is an offer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Point(f64, f64, Status);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    items: VecDeque<Item>,
    entered: usize,
    points: Vec<Point>,
}

impl Feed {
    /// Shows a new sign-up if it is from the form, or while there is room in this tick.
    pub(crate) fn sign_up(&mut self, sign_up: &SignUp) {
        if sign_up.origin == Origin::Form || self.may_enter() {
            self.push(Item {
                id: sign_up.id.clone(),
                name: sign_up.user.name.clone(),
                place: place_text(&sign_up.user.place),
                origin: sign_up.origin,
                earlier: false,
                put_at_ms: sign_up.put_at_ms,
                at: sign_up.shown_at,
                status: None,
                reason: None,
                options: Vec::new(),
                distance_km: None,
                latency_ms: None,
                changed: true,
            });
        }
    }

    /// Adds the offer to a sign-up that is shown. `latency_ms` is `None` for an offer of an earlier run, which gets
    /// a line of its own.
    pub(crate) fn offered(&mut self, offer: Offer, latency_ms: Option<f64>) {
        if self.points.len() < MAX_POINTS_PER_TICK
            && latency_ms.is_some()
            && let Some(place) = &offer.place
        {
            self.points.push(Point(place.latitude, place.longitude, offer.status));
        }
        let Some(id) = offer.sign_up_id else { return };
        // Newest first: an offer is mostly for one of the last sign-ups.
        if let Some(item) = self.items.iter_mut().rev().find(|item| item.id == id) {
            item.fill(offer.status, offer.place, offer.options, offer.reason);
            item.latency_ms = latency_ms;
        } else if latency_ms.is_none() && self.may_enter() {
            let mut item = Item {
                id,
                name: offer.name.unwrap_or_default(),
                place: String::new(),
                origin: Origin::Generator,
                earlier: true,
                put_at_ms: offer.put_at_ms.map_or(0, whole),
                at: None,
                status: None,
                reason: None,
                options: Vec::new(),
                distance_km: None,
                latency_ms: offer
                    .enriched_at_ms
                    .zip(offer.put_at_ms)
                    .map(|(end, start)| (end - start).max(0.0)),
                changed: true,
            };
            item.fill(offer.status, offer.place, offer.options, offer.reason);
            self.push(item);
        }
    }

    /// The put of a shown sign-up failed.
    pub(crate) fn withdraw(&mut self, id: &str) {
        if let Some(item) = self.items.iter_mut().rev().find(|item| item.id == id) {
            let message = "The sign-up could not be put into the stream. Please try again.".to_owned();
            item.fill(
                Status::Rejected,
                None,
                Vec::new(),
                Some(Reason { code: "not-put".to_owned(), message }),
            );
        }
    }

    fn may_enter(&mut self) -> bool {
        let room = self.entered < MAX_LIST_PER_TICK;
        self.entered += usize::from(room);
        room
    }

    fn push(&mut self, item: Item) {
        if self.items.len() >= MAX_LIST {
            // Those of the form stay longest: somebody is waiting for them.
            let oldest = self.items.iter().position(|item| item.origin == Origin::Generator).unwrap_or(0);
            self.items.remove(oldest);
        }
        self.items.push_back(item);
    }

    /// Every line, oldest first.
    pub(crate) fn all(&self) -> Vec<Item> {
        self.items.iter().cloned().collect()
    }

    /// The lines and points that are new or changed since the last call.
    pub(crate) fn drain(&mut self) -> (Vec<Item>, Vec<Point>) {
        self.entered = 0;
        let changed = self.items.iter_mut().filter(|item| item.changed);
        let items = changed
            .map(|item| {
                item.changed = false;
                item.clone()
            })
            .collect();
        (items, std::mem::take(&mut self.points))
    }
}

impl Item {
    fn fill(
        &mut self,
        status: Status,
        place: Option<OfferPlace>,
        options: Vec<Plan>,
        reason: Option<Reason>,
    ) {
        self.status = Some(status);
        self.options = options;
        self.reason = reason;
        self.changed = true;
        if let Some(place) = place {
            self.at = Some((place.latitude, place.longitude));
            self.distance_km = place.distance_km;
            if let (Some(city), Some(country)) = (&place.city, &place.country) {
                self.place = format!("{city}, {country}");
            } else if self.place.is_empty() {
                self.place = point_text(place.latitude, place.longitude);
            }
        }
    }
}

fn whole(milliseconds: f64) -> u64 {
    u64::try_from(std::time::Duration::from_secs_f64(milliseconds.clamp(0.0, 1e15) / 1e3).as_millis())
        .unwrap_or(0)
}

fn place_text(place: &Place) -> String {
    match place {
        Place::City { city, country: Some(country) } => format!("{city}, {country}"),
        Place::City { city, country: None } => city.clone(),
        Place::Point { latitude, longitude } => point_text(*latitude, *longitude),
    }
}

/// `38.72° N, 9.14° W`
fn point_text(latitude: f64, longitude: f64) -> String {
    let north = if latitude < 0.0 { 'S' } else { 'N' };
    let east = if longitude < 0.0 { 'W' } else { 'E' };
    format!("{:.2}° {north}, {:.2}° {east}", latitude.abs(), longitude.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign_up::User;

    fn sign_up(number: u64, origin: Origin) -> SignUp {
        SignUp {
            id: format!("id-{number}"),
            number,
            user: User {
                name: "Ana".into(),
                email: "ana@example.org".into(),
                place: Place::Point { latitude: 38.724, longitude: -9.14 },
            },
            origin,
            put_at_ms: 1,
            shown_at: None,
        }
    }

    fn offer(id: &str) -> Offer {
        let json = serde_json::json!({
            "sign_up_id": id, "status": "offered", "name": "Bo", "put_at_ms": 5, "enriched_at_ms": 9,
            "place": {"city": "Lisbon", "country": "Portugal", "latitude": 38.7, "longitude": -9.1},
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_tick_takes_few_generated_sign_ups_and_all_of_the_form() {
        let mut feed = Feed::default();
        for number in 0..20 {
            feed.sign_up(&sign_up(number, Origin::Generator));
        }
        feed.sign_up(&sign_up(20, Origin::Form));
        assert_eq!(feed.drain().0.len(), MAX_LIST_PER_TICK + 1);
        assert_eq!(feed.drain().0.len(), 0);
    }

    #[test]
    fn the_list_is_bounded_and_keeps_those_of_the_form() {
        let mut feed = Feed::default();
        feed.sign_up(&sign_up(0, Origin::Form));
        for number in 1..500 {
            feed.sign_up(&sign_up(number, Origin::Generator));
            feed.drain();
        }
        let all = feed.all();
        assert_eq!(all.len(), MAX_LIST);
        assert_eq!(all[0].id, "id-0");
        assert_eq!(all[0].place, "38.72° N, 9.14° W");
    }

    #[test]
    fn an_offer_changes_the_line_of_its_sign_up() {
        let mut feed = Feed::default();
        feed.sign_up(&sign_up(1, Origin::Form));
        feed.drain();
        feed.offered(offer("id-1"), Some(7.5));
        let (items, points) = feed.drain();
        assert_eq!(
            (items[0].place.as_str(), items[0].latency_ms, points.len()),
            ("Lisbon, Portugal", Some(7.5), 1)
        );
    }

    #[test]
    fn an_offer_of_an_earlier_run_gets_a_line_of_its_own() {
        let mut feed = Feed::default();
        feed.offered(offer("other"), None);
        let (items, points) = feed.drain();
        assert!(items[0].earlier && points.is_empty());
        assert_eq!((items[0].name.as_str(), items[0].latency_ms), ("Bo", Some(4.0)));
    }
}

use super::*;
use crate::sign_up::{Origin, Place, User};

const RUN: u64 = 0x1234_5678_9abc_def0;

/// A tracker, and a clock that only the test moves.
struct Scene {
    tracker: Tracker,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let now = Instant::now();
        Self { tracker: Tracker::new(Run::new(RUN), now), now }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn begin(&self, numbers: std::ops::Range<u64>) {
        self.tracker.begin(&numbers.map(sign_up).collect::<Vec<_>>(), self.now);
    }

    fn acknowledged(&self, number: u64, shard: &str) {
        self.tracker.acknowledged(number, shard, self.now);
    }

    fn offered(&self, offer: Offer) {
        self.tracker.offered(offer, self.now);
    }

    fn ages(&self) -> Vec<(String, f64)> {
        self.tracker.tick(self.now).sample.ages
    }

    fn counts(&self) -> Counts {
        self.tracker.counts()
    }

    fn report(&self) -> Report {
        self.tracker.report()
    }
}

fn sign_up(number: u64) -> SignUp {
    SignUp {
        id: Run::new(RUN).id(number),
        number,
        user: User {
            name: "Ana".into(),
            email: "ana@example.org".into(),
            place: Place::City { city: "Lisbon".into(), country: None },
        },
        origin: Origin::Generator,
        put_at_ms: 1,
        shown_at: None,
    }
}

fn offer(id: &str, status: &str) -> Offer {
    serde_json::from_value(serde_json::json!({"sign_up_id": id, "status": status})).unwrap()
}

fn offer_for(number: u64) -> Offer {
    offer(&Run::new(RUN).id(number), "offered")
}

#[test]
fn a_sign_up_goes_from_put_to_enriched() {
    let mut scene = Scene::new();
    scene.begin(0..1);
    assert_eq!(scene.counts(), Counts::default());
    scene.acknowledged(0, "shard-0");
    assert_eq!((scene.counts().put, scene.counts().waiting), (1, 1));
    scene.pass(Duration::from_millis(20));
    scene.offered(offer_for(0));
    let report = scene.report();
    assert_eq!((report.put, report.enriched, report.lost), (1, 1, 0));
    assert!((19.9..20.1).contains(&report.p50_ms), "{}", report.p50_ms);
    assert_eq!(scene.tracker.outstanding(), 0);
}

#[test]
fn an_acknowledged_sign_up_without_an_offer_is_lost_at_the_end_only() {
    let scene = Scene::new();
    scene.begin(0..3);
    scene.acknowledged(0, "s");
    scene.acknowledged(1, "s");
    scene.offered(offer_for(1));
    assert_eq!((scene.counts().waiting, scene.counts().lost), (1, 0));
    assert_eq!(scene.report().lost, 1);
    assert_eq!((scene.counts().waiting, scene.counts().lost), (0, 1));
}

#[test]
fn an_offer_may_be_faster_than_the_acknowledgement() {
    let scene = Scene::new();
    scene.begin(0..1);
    scene.offered(offer_for(0));
    scene.acknowledged(0, "s");
    let counts = scene.counts();
    assert_eq!((counts.put, counts.enriched, counts.duplicates), (1, 1, 0));
}

#[test]
fn a_second_offer_is_a_duplicate_and_a_second_acknowledgement_is_nothing() {
    let scene = Scene::new();
    scene.begin(0..1);
    scene.acknowledged(0, "s");
    scene.acknowledged(0, "s");
    scene.offered(offer_for(0));
    scene.offered(offer_for(0));
    let counts = scene.counts();
    assert_eq!((counts.put, counts.enriched, counts.duplicates), (1, 1, 1));
}

#[test]
fn what_was_not_acknowledged_is_never_put_nor_lost() {
    let scene = Scene::new();
    scene.begin(0..2);
    scene.tracker.failed(&[0, 1]);
    let report = scene.report();
    assert_eq!((report.put, report.lost, report.failed_puts), (0, 0, 2));
}

#[test]
fn an_offer_shows_that_a_failed_put_was_put_after_all() {
    let scene = Scene::new();
    scene.begin(0..1);
    scene.tracker.failed(&[0]);
    scene.offered(offer_for(0));
    scene.offered(offer_for(0));
    let counts = scene.counts();
    assert_eq!((counts.put, counts.enriched, counts.failed, counts.duplicates), (1, 1, 0, 1));
}

#[test]
fn offers_of_other_runs_are_history() {
    let scene = Scene::new();
    scene.offered(offer(&Run::new(1).id(0), "offered"));
    scene.offered(offer("not-an-id", "offered"));
    // Of this run by its looks, but never begun by it.
    scene.offered(offer_for(5));
    let counts = scene.counts();
    assert_eq!((counts.earlier, counts.put, counts.enriched, counts.duplicates), (3, 0, 0, 0));
}

#[test]
fn unserved_and_rejected_sign_ups_are_enriched_too() {
    let scene = Scene::new();
    scene.begin(0..2);
    for (number, status) in [(0, "unserved"), (1, "rejected")] {
        scene.acknowledged(number, "s");
        scene.offered(offer(&Run::new(RUN).id(number), status));
    }
    let report = scene.report();
    assert_eq!((report.enriched, report.unserved, report.rejected, report.lost), (2, 1, 1, 0));
}

#[test]
fn the_age_of_a_shard_is_that_of_its_oldest_unanswered_sign_up() {
    let mut scene = Scene::new();
    scene.begin(0..1);
    scene.acknowledged(0, "a");
    scene.pass(Duration::from_secs(2));
    scene.begin(1..3);
    scene.acknowledged(1, "a");
    scene.acknowledged(2, "b");
    scene.pass(Duration::from_secs(1));
    assert_eq!(scene.ages(), [("a".to_owned(), 3000.0), ("b".to_owned(), 1000.0)]);
    scene.offered(offer_for(0));
    scene.offered(offer_for(2));
    // The tick in which an offer comes still shows the age that it ended.
    assert_eq!(scene.ages(), [("a".to_owned(), 3000.0), ("b".to_owned(), 1000.0)]);
    assert_eq!(scene.ages(), [("a".to_owned(), 1000.0), ("b".to_owned(), 0.0)]);
}

#[test]
fn one_stuck_sign_up_does_not_keep_the_memory_of_all_others() {
    let scene = Scene::new();
    scene.begin(0..1);
    scene.acknowledged(0, "s");
    for number in 1..10_000 {
        scene.begin(number..number + 1);
        scene.acknowledged(number, "s");
        scene.offered(offer_for(number));
    }
    let inner = scene.tracker.lock();
    assert_eq!(inner.waiting.len(), 1);
    assert!(inner.shards[0].queue.len() <= 1100, "{}", inner.shards[0].queue.len());
}

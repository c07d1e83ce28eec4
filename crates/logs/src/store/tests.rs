use super::*;
use crate::filter::Filter;
use millstream_host::clock::{ManualClock, SystemClock};
use std::path::Path;

const DAY: u64 = 24 * 60 * 60 * 1_000;
const GROUP: &str = "/aws/lambda/f";

fn options(directory: &Path) -> StoreOptions {
    let mut options = StoreOptions::new(Some(directory.to_owned()), SystemClock::shared());
    options.disk_reserve_bytes = 0;
    options
}

fn open(options: &StoreOptions) -> Store {
    Store::open(options.clone()).unwrap()
}

fn line(store: &Store, stream: &str, text: &str) {
    let at = store.shared.options.clock.now();
    store.line(GROUP.to_owned(), stream, at, text.to_owned());
}

fn query() -> Query {
    Query {
        key: GROUP.to_owned(),
        streams: Streams::All,
        times: (Timestamp::ZERO, Timestamp::from_millis(u64::MAX)),
        beyond: None,
        newest_first: false,
        limit: 10_000,
        filter: None,
    }
}

async fn texts(store: &Store, query: Query) -> Vec<String> {
    store.catch_up().await;
    store.read(query).await.unwrap().events.into_iter().map(|event| event.text).collect()
}

/// Goes through all pages of `query`.
async fn through(store: &Store, mut query: Query) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let page = store.read(query.clone()).await.unwrap();
        all.extend(page.events.into_iter().map(|event| event.text));
        match page.next {
            None => return all,
            next => query.beyond = next,
        }
    }
}

fn names(store: &Store) -> Vec<String> {
    store.streams(GROUP).unwrap().into_iter().map(|stream| stream.name.to_string()).collect()
}

/// Close, and open the same directory again.
fn again(store: Store, options: &StoreOptions) -> Store {
    store.close();
    drop(store);
    open(options)
}

#[tokio::test]
async fn what_was_written_is_there_after_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    let store = open(&options);
    assert_eq!(fs::mode(directory.path()).unwrap(), 0o700);
    line(&store, "a", "one");
    line(&store, "b", "two");
    line(&store, "a", "three");
    assert_eq!(texts(&store, query()).await, ["one", "two", "three"]);
    let before = store.streams(GROUP).unwrap();
    let first = store.read(query()).await.unwrap().events;
    let store = again(store, &options);
    assert_eq!(texts(&store, query()).await, ["one", "two", "three"]);
    assert_eq!(store.streams(GROUP).unwrap(), before);
    line(&store, "b", "four");
    let one = Query { streams: Streams::One("b".into()), ..query() };
    assert_eq!(texts(&store, one).await, ["two", "four"]);
    let after = store.read(query()).await.unwrap().events;
    assert!(after[3].place.number > first[2].place.number, "numbers go on");
    assert_eq!(store.stats().dropped_lines, 0);
}

#[tokio::test]
async fn a_write_that_was_cut_short_costs_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    let store = open(&options);
    line(&store, "a", "whole");
    line(&store, "a", "the last one");
    store.catch_up().await;
    store.close();
    drop(store);
    let group = fs::list(directory.path()).unwrap().remove(0);
    let segment = directory.path().join(group).join("0000000000000001.log");
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() - 3]).unwrap();
    let store = open(&options);
    assert_eq!(texts(&store, query()).await, ["whole"]);
    line(&store, "a", "next");
    assert_eq!(texts(&store, query()).await, ["whole", "next"]);
    let store = again(store, &options);
    assert_eq!(texts(&store, query()).await, ["whole", "next"]);
}

#[tokio::test]
async fn groups_and_streams_are_made_and_deleted_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    let store = open(&options);
    let (key, stream) = (|| GROUP.to_owned(), |name: &str| name.to_owned());
    assert_eq!(store.create_stream(key(), stream("s")).await, Err(StoreError::NoGroup));
    store.create_group(key(), [("team".to_owned(), "x".to_owned())].into()).await.unwrap();
    assert_eq!(store.create_group(key(), BTreeMap::new()).await, Err(StoreError::GroupExists));
    store.create_stream(key(), stream("s")).await.unwrap();
    store.create_stream(key(), stream("t")).await.unwrap();
    assert_eq!(store.create_stream(key(), stream("s")).await, Err(StoreError::StreamExists));
    let at = Timestamp::from_millis(5);
    let put = |name: &str, text: &str| store.put(key(), name.to_owned(), vec![(at, text.to_owned())]);
    assert_eq!(put("nowhere", "x").await, Err(StoreError::NoStream));
    put("s", "gone").await.unwrap();
    put("t", "stays").await.unwrap();
    store.delete_stream(key(), stream("s")).await.unwrap();
    assert_eq!(store.delete_stream(key(), stream("s")).await, Err(StoreError::NoStream));
    store.create_stream(key(), stream("s")).await.unwrap();
    store.set_retention(key(), Some(3_653)).await.unwrap();
    let store = again(store, &options);
    assert_eq!(names(&store), ["s", "t"]);
    let old = Query { times: (Timestamp::ZERO, Timestamp::from_millis(DAY)), ..query() };
    assert!(texts(&store, old).await.is_empty(), "1970 is more than ten years ago");
    store.set_retention(key(), None).await.unwrap();
    assert_eq!(texts(&store, query()).await, ["stays"]);
    assert_eq!(store.tags(GROUP).unwrap()["team"], "x");
    store.delete_group(key()).await.unwrap();
    assert_eq!(store.delete_group(key()).await, Err(StoreError::NoGroup));
    let store = again(store, &options);
    assert!(store.groups(|_| true).is_empty());
    assert!(fs::list(directory.path()).unwrap().is_empty());
}

#[tokio::test]
async fn pages_go_through_everything_once_in_order_both_ways() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    options.segment_bytes = 2_000;
    let store = open(&options);
    store.create_group(GROUP.to_owned(), BTreeMap::new()).await.unwrap();
    for stream in ["a", "b", "c"] {
        store.create_stream(GROUP.to_owned(), stream.to_owned()).await.unwrap();
    }
    // Times overlap between segments, and some are the same.
    let mut expected = Vec::new();
    for batch in 0..60_u64 {
        let stream = ["a", "b", "c"][usize::try_from(batch % 3).unwrap()];
        let at = 1_000 + (batch * 37) % 50;
        let events: Vec<_> = (0..5_u64)
            .map(|n| (Timestamp::from_millis(at + n), format!("{:05}-{batch:02}-{n}", at + n)))
            .collect();
        expected.extend(events.iter().map(|(at, text)| (*at, batch, text.clone())));
        store.put(GROUP.to_owned(), stream.to_owned(), events).await.unwrap();
    }
    expected.sort();
    let mut expected: Vec<String> = expected.into_iter().map(|(_, _, text)| text).collect();
    assert!(store.shared.state().groups[GROUP].segments.len() > 3);
    for limit in [1, 7, 299, 300, 1_000] {
        assert_eq!(through(&store, Query { limit, ..query() }).await, expected, "{limit}");
    }
    let of_b = Query { streams: Streams::Prefix("b".into()), limit: 9, ..query() };
    assert_eq!(through(&store, of_b).await.len(), 100);
    let filter = Some(Arc::new(Filter::parse("\"-04-\"").unwrap()));
    assert_eq!(through(&store, Query { filter, limit: 2, ..query() }).await.len(), 5);
    let times = (Timestamp::from_millis(1_010), Timestamp::from_millis(1_020));
    let within = through(&store, Query { times, limit: 4, ..query() }).await;
    let inside = |text: &&String| ("01010".."01020").contains(&&text[..5]);
    assert_eq!(within, expected.iter().filter(inside).cloned().collect::<Vec<_>>());
    expected.reverse();
    for limit in [1, 8, 1_000] {
        let backwards = Query { limit, newest_first: true, ..query() };
        assert_eq!(through(&store, backwards).await, expected, "{limit}");
    }
}

#[tokio::test]
async fn a_page_has_at_most_so_many_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&options(directory.path()));
    for n in 0..40 {
        line(&store, "a", &format!("{n:02}{}", "x".repeat(60_000)));
    }
    store.catch_up().await;
    let page = store.read(query()).await.unwrap();
    assert_eq!(page.events.len(), 17);
    assert_eq!(through(&store, query()).await.len(), 40);
}

#[tokio::test]
async fn the_oldest_goes_when_a_group_or_the_server_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    (options.group_bytes, options.total_bytes) = (80_000, 100_000);
    let store = open(&options);
    for n in 0..3_000 {
        line(&store, &format!("s{}", n / 100), &format!("{n} {}", "x".repeat(80)));
        if n % 50 == 0 {
            store.catch_up().await;
        }
    }
    store.catch_up().await;
    let kept = through(&store, query()).await;
    assert!(store.stats().bytes <= 80_000 + options.group_bytes / 8, "{:?}", store.stats());
    assert!(kept.last().unwrap().starts_with("2999 ") && kept.len() < 1_000, "{}", kept.len());
    let numbers: Vec<u32> =
        kept.iter().map(|text| text.split(' ').next().unwrap().parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "no hole");
    assert!(!names(&store).contains(&"s0".to_owned()), "streams without events go");
    // Another group pushes out what is older than its own.
    for n in 0..2_000 {
        let at = store.shared.options.clock.now();
        store.line("/aws/lambda/g".to_owned(), "s", at, format!("{n} {}", "y".repeat(80)));
        if n % 50 == 0 {
            store.catch_up().await;
        }
    }
    let store = again(store, &options);
    store.catch_up().await;
    assert!(store.stats().bytes <= 100_000 + 2 * options.group_bytes / 8, "{:?}", store.stats());
}

#[tokio::test]
async fn streams_that_were_asked_for_and_deletions_outlive_old_segments() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    (options.group_bytes, options.total_bytes) = (40_000, 1 << 30);
    let store = open(&options);
    store.create_group(GROUP.to_owned(), BTreeMap::new()).await.unwrap();
    for name in ["asked", "deleted"] {
        store.create_stream(GROUP.to_owned(), name.to_owned()).await.unwrap();
    }
    store.delete_stream(GROUP.to_owned(), "deleted".to_owned()).await.unwrap();
    for n in 0..2_000 {
        line(&store, "other", &format!("{n} {}", "x".repeat(80)));
        if n % 50 == 0 {
            store.catch_up().await;
        }
    }
    store.catch_up().await;
    assert_eq!(names(&store), ["asked", "other"]);
    let store = again(store, &options);
    assert_eq!(names(&store), ["asked", "other"]);
}

#[tokio::test]
async fn old_events_are_not_shown_and_their_segments_go() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Timestamp::from_millis(100 * DAY));
    let mut options = options(directory.path());
    options.clock = clock.clone();
    let store = open(&options);
    line(&store, "a", "old");
    store.catch_up().await;
    store.set_retention(GROUP.to_owned(), Some(3)).await.unwrap();
    clock.advance_millis(2 * DAY);
    line(&store, "b", "young");
    assert_eq!(texts(&store, query()).await, ["old", "young"]);
    clock.advance_millis(2 * DAY);
    assert_eq!(texts(&store, query()).await, ["young"]);
    // The writer sweeps when it next wakes; a jump of the clock makes it due.
    let mut sweeper = writer::Writer::new(store.shared.clone());
    line(&store, "b", "now");
    store.catch_up().await;
    sweeper.sweep();
    clock.advance_millis(4 * DAY);
    sweeper.sweep();
    assert!(texts(&store, query()).await.is_empty());
    assert!(names(&store).is_empty());
    let group = fs::list(directory.path()).unwrap().remove(0);
    assert_eq!(fs::list(&directory.path().join(group)).unwrap(), ["group.json"]);
}

#[tokio::test]
async fn a_full_disk_costs_lines_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    let store = open(&options);
    line(&store, "a", "kept");
    store.catch_up().await;
    store.close();
    drop(store);
    options.disk_reserve_bytes = u64::MAX;
    let store = open(&options);
    line(&store, "a", "lost");
    assert_eq!(texts(&store, query()).await, ["kept"]);
    assert_eq!(store.stats(), StoreStats { dropped_lines: 1, disk_full: true, ..store.stats() });
    let now = vec![(Timestamp::from_millis(1), "x".to_owned())];
    assert_eq!(store.put(GROUP.to_owned(), "a".to_owned(), now).await, Err(StoreError::NoRoom));
    assert_eq!(store.create_group("g".to_owned(), BTreeMap::new()).await, Err(StoreError::NoRoom));
    store.delete_group(GROUP.to_owned()).await.unwrap();
}

#[tokio::test]
async fn a_write_that_fails_leaves_no_half_of_anything() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    let store = open(&options);
    line(&store, "a", "kept");
    store.catch_up().await;
    // Somebody takes the directory away: new segments cannot be made.
    let group = directory.path().join(fs::list(directory.path()).unwrap().remove(0));
    store.shared.state().groups.get_mut(GROUP).unwrap().segments.back_mut().unwrap().open = false;
    let hidden = directory.path().join("hidden");
    std::process::Command::new("mv").arg(&group).arg(&hidden).status().unwrap();
    line(&store, "a", "lost");
    store.catch_up().await;
    assert_eq!(store.stats().dropped_lines, 1);
    std::process::Command::new("mv").arg(&hidden).arg(&group).status().unwrap();
    line(&store, "a", "kept too");
    assert_eq!(texts(&store, query()).await, ["kept", "kept too"]);
}

#[tokio::test]
async fn too_much_at_once_is_dropped_and_counted() {
    let queue = Queue::default();
    let big = || {
        let text = "x".repeat(1 << 20);
        Job::Line(job::Line { key: GROUP.into(), stream: "s".into(), at: Timestamp::ZERO, text })
    };
    let taken = (0..100).filter(|_| queue.push(big()).is_ok()).count();
    assert_eq!(taken, 15);
    assert_eq!(queue.push(big()), Err(StoreError::Busy));
    queue.close();
    assert_eq!(queue.push(big()), Err(StoreError::Closed));
}

#[tokio::test]
async fn sessions_get_what_comes_and_are_limited() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&options(directory.path()));
    let query = |prefix: &str, pattern: &str| LiveQuery {
        groups: vec!["/other".to_owned(), GROUP.to_owned()],
        prefixes: (!prefix.is_empty()).then(|| prefix.to_owned()).into_iter().collect(),
        filter: Some(Arc::new(Filter::parse(pattern).unwrap())),
        ..LiveQuery::default()
    };
    line(&store, "a", "before");
    store.catch_up().await;
    let session = store.live("home".to_owned(), query("a", "-no")).unwrap();
    for (stream, text) in [("a1", "yes"), ("b", "yes"), ("a2", "no"), ("a2", "too")] {
        line(&store, stream, text);
    }
    store.catch_up().await;
    let (events, sampled) = session.take();
    let seen: Vec<_> = events.iter().map(|event| (event.group, &*event.stream, &*event.text)).collect();
    assert_eq!((seen, sampled), (vec![(1, "a1", "yes"), (1, "a2", "too")], false));
    for n in 0..600 {
        line(&store, "a", &n.to_string());
    }
    store.catch_up().await;
    let (events, sampled) = session.take();
    assert_eq!((events.len(), sampled), (caps::LIVE_EVENTS, true));
    assert_eq!(session.take().0.len(), 0);
    let more: Vec<_> = (1..caps::LIVE_SESSIONS_PER_HOME)
        .map(|_| store.live("home".to_owned(), query("", "")).unwrap())
        .collect();
    assert!(store.live("home".to_owned(), query("", "")).is_none());
    assert!(store.live("elsewhere".to_owned(), query("", "")).is_some());
    drop((session, more));
    assert!(store.live("home".to_owned(), query("", "")).is_some());
}

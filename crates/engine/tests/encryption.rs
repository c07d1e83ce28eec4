//! Encrypted streams on the in-memory log: what is stored, what is read, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use millstream_control::{
    CreateStream, DataKey, SplitShard, StartEncryption, State, StopEncryption, Stream, StreamMode,
    StreamStatus,
};
use millstream_engine::{Engine, EngineError, NewRecord, Page, PageLimit, Start};
use millstream_host::clock::ManualClock;
use millstream_log::{Batch, Log, MemoryLog, ReadLimit, StoredBatch};
use millstream_types::{HashKey, Home, LogShard, Position, ShardId, Timestamp};
use millstream_vault::{KeyError, Keyring, OpenError, Vault};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

const ALL: PageLimit = PageLimit { records: usize::MAX, bytes: usize::MAX };
const EVERYTHING: ReadLimit = ReadLimit { records: usize::MAX, bytes: usize::MAX };
const MARKER: &[u8] = b"in plain words";

struct World {
    engine: Engine,
    log: Arc<dyn Log>,
    lifecycle: JoinHandle<()>,
}

fn keyring() -> Keyring {
    let (a, b) = ("a1".repeat(32), "b2".repeat(32));
    Keyring::from_environment(&format!("alias/a={a},alias/b={b}"), Timestamp::ZERO).unwrap()
}

impl World {
    async fn on(log: Arc<dyn Log>, keyring: Keyring) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let control = millstream_control_node::open(log.clone(), clock.clone()).await.unwrap();
        let engine = Engine::new(log.clone(), control, clock).with_vault(Vault::new(keyring));
        let lifecycle = tokio::spawn(engine.clone().run_lifecycle(Duration::ZERO));
        Self { engine, log, lifecycle }
    }

    async fn new(shards: u32) -> Self {
        let world = Self::on(Arc::new(MemoryLog::new()), keyring()).await;
        let create = CreateStream {
            name: "s".into(),
            arn: "arn:aws:kinesis:us-east-1:000000000000:stream/s".into(),
            shards,
            mode: StreamMode::Provisioned,
            max_record_kib: 1_024,
            tags: BTreeMap::new(),
        };
        world.engine.control().submit(create).await.unwrap();
        world.active().await;
        world
    }

    /// The same log, with other keys.
    async fn restarted(self, keyring: Keyring) -> Self {
        self.lifecycle.abort();
        let log = self.log.clone();
        drop(self);
        Self::on(log, keyring).await
    }

    async fn active(&self) -> Arc<Stream> {
        let active = |state: &Arc<State>| state.streams["s"].status == StreamStatus::Active;
        self.engine.control().watch().wait_for(active).await.unwrap().streams["s"].clone()
    }

    async fn start(&self, key_id: &str) -> Result<Arc<Stream>, KeyError> {
        let stream = self.active().await;
        let data_key = self.engine.vault().data_key(&stream, key_id, &Home::default())?;
        let (stream, arn) = (stream.name.clone(), stream.arn.clone());
        let start = StartEncryption { stream, arn, key_id: key_id.into(), data_key };
        self.engine.control().submit(start).await.unwrap();
        Ok(self.active().await)
    }

    async fn stop(&self) {
        self.engine.control().submit(StopEncryption { stream: "s".into() }).await.unwrap();
        self.active().await;
    }

    async fn put(&self, texts: &[String], hash: u128) -> Result<(), EngineError> {
        let record = |text: &String| NewRecord {
            partition_key: "key".into(),
            explicit_hash_key: Some(HashKey(hash)),
            data: Bytes::from([MARKER, text.as_bytes()].concat()),
        };
        let records: Vec<NewRecord> = texts.iter().map(record).collect();
        self.engine.append(&*self.active().await, &records).await.map(drop)
    }

    async fn read(&self, shard: u64) -> Result<Page, EngineError> {
        let stream = self.active().await;
        let shard = stream.shard(ShardId(shard)).unwrap();
        let from = self.engine.position(&stream, shard, Start::TrimHorizon).await.unwrap();
        self.engine.read(&stream, shard, from, ALL).await
    }

    async fn stored(&self, shard: LogShard) -> Vec<StoredBatch> {
        self.log.read(shard, Position::ZERO, EVERYTHING).await.unwrap().batches
    }

    async fn plant(&self, shard: LogShard, batch: Batch) {
        let ticket = self.log.append(vec![(shard, batch)], Duration::ZERO).await.unwrap();
        ticket.durable().await.unwrap();
    }
}

fn one(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

fn texts(page: &Page) -> Vec<(String, bool)> {
    let text = |data: &[u8]| String::from_utf8(data[MARKER.len()..].to_vec()).unwrap();
    page.records.iter().map(|record| (text(&record.data), record.encrypted)).collect()
}

fn holds_marker(batch: &Batch) -> bool {
    batch.body.windows(MARKER.len()).any(|bytes| bytes == MARKER)
}

#[tokio::test]
async fn what_the_log_gets_is_encrypted_from_start_to_stop() {
    let world = World::new(1).await;
    world.put(&one("before"), 0).await.unwrap();
    let stream = world.start("alias/a").await.unwrap();
    world.put(&["one".into(), "two".into()], 0).await.unwrap();
    world.stop().await;
    world.put(&one("after"), 0).await.unwrap();
    let stored = world.stored(stream.shards[0].log).await;
    let plain: Vec<bool> = stored.iter().map(|stored| holds_marker(&stored.batch)).collect();
    assert_eq!(plain, [true, false, true]);
    assert!(stored.iter().all(|stored| stored.batch.is_intact()));
    let read = texts(&world.read(0).await.unwrap());
    let expected = [("before", false), ("one", true), ("two", true), ("after", false)];
    assert_eq!(read, expected.map(|(text, encrypted)| (text.to_owned(), encrypted)));
}

#[tokio::test]
async fn a_read_may_begin_and_end_within_a_sealed_batch() {
    let world = World::new(1).await;
    let stream = world.start("alias/a").await.unwrap();
    world.put(&["a".into(), "b".into(), "c".into(), "d".into()], 0).await.unwrap();
    let limit = PageLimit { records: 2, ..ALL };
    let page = world.engine.read(&stream, &stream.shards[0], Position(1), limit).await.unwrap();
    assert_eq!(texts(&page), [("b".to_owned(), true), ("c".to_owned(), true)]);
    assert_eq!(page.next, Position(3));
}

#[tokio::test]
async fn one_changed_bit_is_found_though_the_checksum_is_right() {
    let world = World::new(1).await;
    let stream = world.start("alias/a").await.unwrap();
    world.put(&one("x"), 0).await.unwrap();
    let log = stream.shards[0].log;
    let sealed = world.stored(log).await[0].batch.clone();
    let mut body = sealed.body.to_vec();
    *body.last_mut().unwrap() ^= 1;
    world.plant(log, Batch::of_body(sealed.timestamp, sealed.count, body.into())).await;
    let refused = world.engine.read(&stream, &stream.shards[0], Position(1), ALL).await.unwrap_err();
    assert!(
        matches!(refused, EngineError::Sealed { position: Position(1), why: OpenError::Damaged }),
        "{refused}"
    );
    let before = PageLimit { records: 1, ..ALL };
    assert_eq!(
        world.engine.read(&stream, &stream.shards[0], Position(0), before).await.unwrap().records.len(),
        1
    );
}

#[tokio::test]
async fn a_batch_is_refused_in_another_shard() {
    let world = World::new(2).await;
    let stream = world.start("alias/a").await.unwrap();
    world.put(&one("x"), 0).await.unwrap();
    let sealed = world.stored(stream.shards[0].log).await[0].batch.clone();
    world.plant(stream.shards[1].log, sealed).await;
    let refused = world.read(1).await.unwrap_err();
    assert!(matches!(refused, EngineError::Sealed { why: OpenError::Damaged, .. }), "{refused}");
    assert_eq!(world.read(0).await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn a_data_key_is_of_no_use_to_another_stream() {
    let world = World::new(1).await;
    let stream = world.start("alias/a").await.unwrap();
    let key = stream.current_data_key().unwrap();
    let vault = Vault::new(keyring());
    vault.check(&stream.arn, key).unwrap();
    let refused = vault.check("arn:aws:kinesis:us-east-1:000000000000:stream/other", key);
    assert!(matches!(refused, Err(KeyError::Unwrap { .. })));
    let renamed = DataKey { id: "0".repeat(32), ..key.clone() };
    assert!(matches!(vault.check(&stream.arn, &renamed), Err(KeyError::Unwrap { .. })));
}

#[tokio::test]
async fn a_restart_without_the_keys_loses_nothing() {
    let world = World::new(1).await;
    world.start("alias/a").await.unwrap();
    world.put(&one("kept"), 0).await.unwrap();
    let world = world.restarted(Keyring::default()).await;
    assert!(matches!(world.read(0).await, Err(EngineError::Key(KeyError::NoSuchKey(_)))));
    assert!(matches!(world.put(&one("not"), 0).await, Err(EngineError::Key(KeyError::NoSuchKey(_)))));
    assert!(matches!(world.start("alias/a").await, Err(KeyError::NoSuchKey(_))));
    let world = world.restarted(keyring()).await;
    world.put(&one("more"), 0).await.unwrap();
    let expected = [("kept".to_owned(), true), ("more".to_owned(), true)];
    assert_eq!(texts(&world.read(0).await.unwrap()), expected);
}

#[tokio::test]
async fn a_rotated_key_encrypts_with_its_new_version_and_decrypts_with_the_old_one() {
    let world = World::new(1).await;
    let first = world.start("alias/a").await.unwrap();
    world.put(&one("old"), 0).await.unwrap();
    assert_eq!(world.start("alias/a").await.unwrap().data_keys, first.data_keys, "nothing is rotated yet");
    let mut rotated = keyring();
    assert_eq!(rotated.rotate("alias/a", Timestamp::ZERO), Ok(2));
    let world = world.restarted(rotated).await;
    let second = world.start("alias/a").await.unwrap();
    let versions: Vec<u32> = second.data_keys.iter().map(|key| key.version).collect();
    assert_eq!((versions, &second.data_keys[0]), (vec![1, 2], &first.data_keys[0]));
    assert_eq!(second.current_data_key().unwrap().version, 2);
    world.put(&one("new"), 0).await.unwrap();
    let expected = [("old".to_owned(), true), ("new".to_owned(), true)];
    assert_eq!(texts(&world.read(0).await.unwrap()), expected);
    // The file from before the rotation has the key, but not its version.
    let world = world.restarted(keyring()).await;
    let refused = world.put(&one("not"), 0).await;
    assert!(matches!(refused, Err(EngineError::Key(KeyError::NoSuchVersion { version: 2, .. }))));
}

#[tokio::test]
async fn children_of_an_encrypted_stream_are_encrypted() {
    let world = World::new(1).await;
    world.start("alias/b").await.unwrap();
    world.put(&one("parent"), 0).await.unwrap();
    let split = SplitShard { stream: "s".into(), shard: ShardId(0), key: HashKey(1 << 127) };
    world.engine.control().submit(split).await.unwrap();
    let stream = world.active().await;
    for hash in [0, 1 << 127] {
        world.put(&one("child"), hash).await.unwrap();
    }
    assert_eq!(texts(&world.read(0).await.unwrap()), [("parent".to_owned(), true)]);
    for shard in [1, 2] {
        assert_eq!(texts(&world.read(shard).await.unwrap()), [("child".to_owned(), true)]);
        let log = stream.shard(ShardId(shard)).unwrap().log;
        assert!(!holds_marker(&world.stored(log).await[0].batch));
    }
}

/// `SplitMix64`: every choice comes from the seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Puts, changes of key, stops and restarts in any order: what is read is what was put, and it is encrypted exactly where
/// the stream was at that time.
async fn history(seed: u64) {
    let random = &mut Random(seed);
    let mut world = World::new(2).await;
    let mut model: [Vec<(String, bool)>; 2] = [Vec::new(), Vec::new()];
    let (mut encrypted, mut keys) = (false, keyring());
    for step in 0..40 {
        match random.below(8) {
            0 => {
                world.start(if random.below(2) == 0 { "alias/a" } else { "alias/b" }).await.unwrap();
                encrypted = true;
            }
            1 => {
                world.stop().await;
                encrypted = false;
            }
            2 => {
                if random.below(2) == 0 {
                    keys.rotate("alias/a", Timestamp::ZERO).unwrap();
                }
                world = world.restarted(keys.clone()).await;
            }
            _ => {
                let texts: Vec<String> = (0..=random.below(4)).map(|n| format!("{step}-{n}")).collect();
                let shard = usize::try_from(random.below(2)).unwrap();
                world.put(&texts, [0, u128::MAX][shard]).await.unwrap();
                model[shard].extend(texts.into_iter().map(|text| (text, encrypted)));
            }
        }
    }
    let stream = world.active().await;
    for (shard, model) in stream.shards.iter().zip(&model) {
        assert_eq!(&texts(&world.read(shard.id.0).await.unwrap()), model, "seed {seed}");
        let plain = world.stored(shard.log).await.iter().filter(|stored| holds_marker(&stored.batch)).count();
        assert_eq!(plain > 0, model.iter().any(|(_, encrypted)| !encrypted), "seed {seed}");
    }
    world.lifecycle.abort();
}

#[tokio::test]
async fn random_histories() {
    for seed in 0..60 {
        history(seed).await;
    }
}

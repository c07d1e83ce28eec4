//! ListShards' six filters against a model, over random splits and merges: at any time the open shards tile all hash keys.

use crate::Service;
use millstream_control::StreamStatus;
use serde_json::{Value, json};
use std::sync::Arc;

const SEEDS: u64 = 20;
const RESHARDS: u64 = 12;

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

/// A shard as the reshards that were asked for make it. Times in milliseconds.
#[derive(Clone, Debug)]
struct Model {
    range: (u128, u128),
    opened: u64,
    closed: Option<u64>,
}

impl Model {
    fn open_at(&self, time: u64) -> bool {
        self.opened <= time && self.closed.is_none_or(|closed| closed > time)
    }
}

fn id(number: usize) -> String {
    format!("shardId-{number:012}")
}

struct Game {
    service: Service,
    random: Random,
    shards: Vec<Model>,
}

impl Game {
    async fn new(seed: u64) -> Self {
        let service = Service::with_stream().await;
        let opened = service.engine.now().millis();
        let half = 1_u128 << 127;
        let shard = |range| Model { range, opened, closed: None };
        let shards = vec![shard((0, half - 1)), shard((half, u128::MAX))];
        Self { service, random: Random(seed), shards }
    }

    /// Split an open shard anywhere, or merge two neighbours.
    async fn reshard(&mut self) {
        let mut open: Vec<usize> =
            (0..self.shards.len()).filter(|n| self.shards[*n].closed.is_none()).collect();
        open.sort_by_key(|number| self.shards[*number].range);
        let place = usize::try_from(self.random.below(open.len() as u64)).unwrap();
        let now = self.service.engine.now().millis();
        let shard = open[place];
        let (first, last) = self.shards[shard].range;
        let mut close = vec![shard];
        let (operation, input, ranges) = match open.get(place + 1) {
            Some(next) if self.random.below(2) == 0 => {
                close.push(*next);
                let input = json!({"ShardToMerge": id(shard), "AdjacentShardToMerge": id(*next)});
                ("MergeShards", input, vec![(first, self.shards[*next].range.1)])
            }
            _ => {
                // At least two above the first, as a split wants it.
                let key = first + 2 + (last - first - 3) / 100 * u128::from(self.random.below(100));
                let input = json!({"ShardToSplit": id(shard), "NewStartingHashKey": key.to_string()});
                ("SplitShard", input, vec![(first, key - 1), (key, last)])
            }
        };
        let mut input = input;
        input["StreamName"] = "s".into();
        self.service.call(operation, input).await;
        let active =
            |state: &Arc<millstream_control::State>| state.streams["s"].status == StreamStatus::Active;
        self.service.engine.control().watch().wait_for(active).await.unwrap();
        for number in close {
            self.shards[number].closed = Some(now);
        }
        self.shards.extend(ranges.into_iter().map(|range| Model { range, opened: now, closed: None }));
    }

    /// Number and hash keys of what a filter lets through, in pages of any size.
    async fn list(&mut self, filter: &Value) -> Vec<(usize, (u128, u128))> {
        let mut input =
            json!({"StreamName": "s", "ShardFilter": filter, "MaxResults": 1 + self.random.below(4)});
        let mut found = Vec::new();
        loop {
            let page = self.service.call("ListShards", input).await;
            for shard in page["Shards"].as_array().unwrap() {
                let key = |name: &str| shard["HashKeyRange"][name].as_str().unwrap().parse().unwrap();
                let number = shard["ShardId"].as_str().unwrap()[8..].parse().unwrap();
                found.push((number, (key("StartingHashKey"), key("EndingHashKey"))));
            }
            match page.get("NextToken") {
                Some(token) => input = json!({"NextToken": token, "MaxResults": 1 + self.random.below(4)}),
                None => return found,
            }
        }
    }

    async fn shows(&mut self, filter: Value, wanted: impl Fn(usize, &Model) -> bool) {
        let shards = self.shards.iter().enumerate().filter(|(number, shard)| wanted(*number, shard));
        let wanted: Vec<_> = shards.map(|(number, shard)| (number, shard.range)).collect();
        assert_eq!(self.list(&filter).await, wanted, "{filter}");
    }

    async fn tiles(&mut self, filter: &Value) {
        let mut ranges: Vec<_> = self.list(filter).await.into_iter().map(|(_, range)| range).collect();
        ranges.sort_unstable();
        assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (0, u128::MAX), "{filter}");
        assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{filter}: {ranges:?}");
    }
}

#[tokio::test]
async fn each_filter_shows_what_the_model_says_and_open_shards_tile() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut game = Game::new(seed).await;
        let created = game.service.engine.now().millis();
        let mut times = vec![created];
        for _ in 0..RESHARDS {
            game.service.clock.advance_millis(1_000 * (1 + game.random.below(600)));
            game.reshard().await;
            // The time of the reshard itself, and one between two.
            times.push(game.service.engine.now().millis());
            game.service.clock.advance_millis(1_000);
            times.push(game.service.engine.now().millis());
        }
        for at in times {
            let stamp = json!(format!("{}.{:03}", at / 1_000, at % 1_000).parse::<f64>().unwrap());
            let filter = json!({"Type": "AT_TIMESTAMP", "Timestamp": stamp});
            game.tiles(&filter).await;
            game.shows(filter, |_, shard| shard.open_at(at)).await;
            let filter = json!({"Type": "FROM_TIMESTAMP", "Timestamp": stamp});
            game.shows(filter, |_, shard| shard.closed.is_none_or(|closed| closed > at)).await;
        }
        for kind in ["AT_LATEST", "AT_TRIM_HORIZON"] {
            game.tiles(&json!({"Type": kind})).await;
        }
        game.shows(json!({"Type": "AT_LATEST"}), |_, shard| shard.closed.is_none()).await;
        game.shows(json!({"Type": "AT_TRIM_HORIZON"}), |_, shard| shard.open_at(created)).await;
        game.shows(json!({"Type": "FROM_TRIM_HORIZON"}), |_, _| true).await;
        for after in 0..game.shards.len() {
            let filter = json!({"Type": "AFTER_SHARD_ID", "ShardId": id(after)});
            game.shows(filter, |number, _| number > after).await;
        }
    }
}

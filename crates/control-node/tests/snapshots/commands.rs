//! Random commands of every kind, with few names, so that they meet each other.

use millstream_control::{
    ActivateConsumer, ActivateMapping, ActivateQueue, ActivateStream, AliasTarget, ChangeEventInvokeConfig,
    ChangeFunctionUrl, ChangeLambdaTags, ChangeMapping, ChangeMonitoring, ChangeQueue, ChangeQueueTags,
    ChangeStream, ChangeTags, Checkpoint, Code, Command, ConcurrencyLimit, CreateAlias, CreateFunction,
    CreateMapping, CreateOnDemandStream, CreateQueue, CreateStream, DataKey, DeadLetters, DeleteAlias,
    DeleteEventInvokeConfig, DeleteFunction, DeleteFunctionVersion, DeleteLayerVersion, DeleteMapping,
    DeleteProvisionedConcurrency, DeleteQueue, DeleteStream, DeliverySettings, DeregisterConsumer,
    Distribution, FinishEncryptionChange, FinishFunctionUpdate, FunctionSettings, LayerUse, LogLevels,
    LoggingSettings, MappingSettings, OpenEventJournal, PolicyOf, PublishLayerVersion, PublishVersion,
    PutEventInvokeConfig, PutProvisionedConcurrency, QueueBegin, QueueSettings, RecordResult,
    RegisterConsumer, RemoveConsumer, RemoveMapping, RemoveQueue, RemoveStream, ReserveConcurrency,
    ScaleStream, SetCommitment, SetDistribution, SetLambdaPolicy, SetPolicy, SetQueuePolicy, SettleMapping,
    ShardMetric, Source, StartEncryption, StartingPosition, State, StopEncryption, StreamMode, Tagged,
    UpdateAlias, UpdateFunction, UpdateShardCount, UrlAuth, UrlChange, UrlCors, UrlMode, UrlSettings, WarmUp,
};
use millstream_types::{HashKey, LogShard, Position, ShardId, Timestamp};
use std::collections::BTreeMap;

/// SplitMix64: every choice comes from the seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn size(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }

    pub(crate) fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    fn name(&mut self, kind: &str) -> String {
        format!("{kind}{}", self.below(3))
    }
}

pub(crate) fn stream(name: &str, shards: u32) -> CreateStream {
    CreateStream {
        name: name.into(),
        arn: format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}"),
        shards,
        mode: StreamMode::Provisioned,
        max_record_kib: 1_024,
        tags: BTreeMap::from([("Straße".into(), "\n\"ä\u{1f980}\"".into())]),
    }
}

fn code(revision: u64) -> Code {
    Code {
        key: format!("key-{revision}"),
        sha256: "c2hh".into(),
        size: revision,
        image_uri: (revision % 5 == 3).then(|| format!("http://f-{revision}/")),
    }
}

fn settings(random: &mut Random) -> FunctionSettings {
    let levels = LogLevels { application: "DEBUG".into(), system: "WARN".into() };
    let logging = LoggingSettings { json: Some(levels), group: Some("/all".into()) };
    let layer = LayerUse { arn: "arn:layer:1".into(), key: "layer-key".into(), size: 7 };
    FunctionSettings {
        description: String::new(),
        role: "arn:aws:iam::000000000000:role/r".into(),
        runtime: "python3.14".into(),
        handler: "main.handle".into(),
        timeout_secs: 3,
        memory_mb: 128,
        ephemeral_mb: 512,
        environment: BTreeMap::from([("LEVEL".into(), random.below(9).to_string())]),
        layers: if random.one_in(2) { vec![layer] } else { Vec::new() },
        tracing_mode: "PassThrough".into(),
        dead_letter: if random.one_in(3) {
            "arn:aws:sqs:us-east-1:000000000000:dead".into()
        } else {
            String::new()
        },
        logging: if random.one_in(2) { logging } else { LoggingSettings::default() },
    }
}

pub(crate) fn function(name: &str, random: &mut Random) -> CreateFunction {
    CreateFunction {
        name: name.into(),
        arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"),
        code: code(1),
        settings: settings(random),
        architectures: vec!["x86_64".into()],
        tags: BTreeMap::new(),
        revision_id: "revision-0".into(),
        publish: random.one_in(4),
    }
}

pub(crate) fn mapping_settings(random: &mut Random) -> MappingSettings {
    let function = random.name("f");
    let function_arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
    let batch_size = 1 + u32::try_from(random.below(100)).unwrap();
    let delivery = if random.one_in(2) { DeliverySettings::default() } else { delivery(random) };
    let enabled = random.one_in(2);
    MappingSettings { function, function_arn, batch_size, window_secs: 0, enabled, delivery }
}

fn delivery(random: &mut Random) -> DeliverySettings {
    let mut number = |end: u64| u32::try_from(random.below(end)).unwrap();
    DeliverySettings {
        parallelization: 1 + number(10),
        max_retries: (number(2) == 0).then(|| number(10_001)),
        max_age_secs: (number(2) == 0).then(|| 60 + number(600_000)),
        bisect: number(2) == 0,
        report_failures: number(2) == 0,
        tumbling_secs: number(901),
        filters: vec![r#"{"data":{"a":[1]}}"#.into(); usize::try_from(number(3)).unwrap()],
        on_failure: (number(2) == 0).then(|| "arn:aws:sqs:us-east-1:000000000000:q".into()),
        count_events: number(2) == 0,
    }
}

pub(crate) fn mapping(uuid: &str, stream: &str, random: &mut Random) -> CreateMapping {
    let starting = match random.below(3) {
        0 => StartingPosition::TrimHorizon,
        1 => StartingPosition::Latest,
        _ => StartingPosition::AtTimestamp(Timestamp::from_millis(random.below(9_000))),
    };
    let stream_arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}");
    CreateMapping {
        uuid: uuid.into(),
        arn: format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}"),
        source: Source { stream: stream.into(), stream_arn, consumer_arn: None },
        starting,
        settings: mapping_settings(random),
        tags: if random.one_in(2) { BTreeMap::new() } else { [(random.name("t"), random.name("v"))].into() },
    }
}

pub(crate) fn layer(name: &str, revision: u64) -> PublishLayerVersion {
    PublishLayerVersion {
        name: name.into(),
        arn: format!("arn:aws:lambda:us-east-1:000000000000:layer:{name}"),
        description: revision.is_multiple_of(2).then(|| "a layer".into()),
        license: None,
        runtimes: vec!["python3.14".into()],
        architectures: Vec::new(),
        code: code(revision),
    }
}

/// Mostly one that is accepted; what is refused is a test of that too.
pub(crate) fn random_command(random: &mut Random, state: &State) -> Command {
    match random.below(4) {
        3 => queue_command(random, state),
        0 => stream_command(random),
        1 => function_command(random, state),
        _ => mapping_command(random, state),
    }
}

fn stream_command(random: &mut Random) -> Command {
    let (name, consumer) = (random.name("s"), random.name("c"));
    let stream_name = name.clone();
    match random.below(25) {
        13 => SetCommitment { home: String::new(), enabled: random.one_in(2) }.into(),
        14 | 15 => setting_command(random, name),
        16 => {
            let create = CreateStream { mode: StreamMode::OnDemand, ..stream(&name, 4) };
            let warm_mibps = random.one_in(2).then_some(4);
            CreateOnDemandStream { create, distribution: distribution(random), warm_mibps }.into()
        }
        0 | 1 => stream(&name, 1 + u32::try_from(random.below(4)).unwrap()).into(),
        2 | 3 => ActivateStream { name }.into(),
        4 => DeleteStream { name, enforce_consumer_deletion: random.one_in(2) }.into(),
        5 => RemoveStream { name }.into(),
        6 => {
            RegisterConsumer { stream: stream_name, name: consumer, tags: BTreeMap::new(), limit: 20 }.into()
        }
        7 => ActivateConsumer { stream: stream_name, consumer }.into(),
        8 => DeregisterConsumer { stream: stream_name, consumer }.into(),
        9 | 10 => {
            let consumer = random.one_in(2).then_some(consumer);
            let set = BTreeMap::from([(random.name("t"), random.name("v"))]);
            ChangeTags { stream: stream_name, consumer, set, remove: [random.name("t")].into() }.into()
        }
        12 => {
            let (consumer, policy) = (random.one_in(2).then_some(consumer), random.one_in(2));
            SetPolicy { stream: stream_name, consumer, policy: policy.then(|| "{\"Statement\":[]}".into()) }
                .into()
        }
        11 => {
            let mode = random.one_in(2).then_some(StreamMode::OnDemand);
            ChangeStream { name, mode, max_record_kib: random.one_in(2).then_some(2_048) }.into()
        }
        18 => {
            let key = HashKey(u128::from(random.next()) << 64);
            let splits = vec![(ShardId(random.below(4)), key)];
            ScaleStream { stream: stream_name, splits, merges: vec![(ShardId(2), ShardId(3))] }.into()
        }
        17 => {
            let target = 1 + u32::try_from(random.below(4)).unwrap();
            UpdateShardCount { stream: stream_name, target, per_day: random.one_in(2).then_some(2) }.into()
        }
        19 => StopEncryption { stream: stream_name }.into(),
        20 | 21 => FinishEncryptionChange { stream: stream_name }.into(),
        22 | 23 => {
            let (id, arn) =
                (random.name("data-key-"), format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}"));
            let data_key = DataKey { id, master: random.name("master-"), version: 1, wrapped: "01ff".into() };
            StartEncryption { stream: stream_name, arn, key_id: "alias/aws/kinesis".into(), data_key }.into()
        }
        _ => RemoveConsumer { stream: stream_name, consumer }.into(),
    }
}

fn queue_command(random: &mut Random, state: &State) -> Command {
    let (id, stream) = (random.name("q"), random.name("s"));
    match random.below(9) {
        0 | 1 => ChangeStream { name: stream, mode: Some(StreamMode::OnDemand), max_record_kib: None }.into(),
        2 | 3 => CreateQueue {
            name: format!("name-{id}"),
            arn: format!("arn:aws:kinesis:us-east-1:000000000000:queue/{id}"),
            id,
            stream,
            starting: StartingPosition::Latest,
            settings: QueueSettings { visibility_secs: 30, max_receives: random.one_in(2).then_some(6) },
            tags: BTreeMap::new(),
            secret: "00".repeat(32),
            limit: 20,
        }
        .into(),
        4 => {
            let shards = state.queue(&id).ok().and_then(|queue| state.stream(&queue.stream).ok());
            let shards = shards.map(|stream| stream.shards.iter().map(|shard| shard.id).collect::<Vec<_>>());
            let positions =
                shards.unwrap_or_default().into_iter().map(|id| (id, Position(random.below(9)))).collect();
            ActivateQueue {
                id,
                begin: QueueBegin { at: Timestamp::from_millis(random.below(9_000)), positions },
            }
            .into()
        }
        5 => {
            let some = if random.one_in(2) { DeadLetters::After(3) } else { DeadLetters::Never };
            let dead_letters = random.one_in(2).then_some(some);
            ChangeQueue { id, visibility_secs: random.one_in(2).then_some(60), dead_letters }.into()
        }
        6 => {
            let set = BTreeMap::from([(random.name("t"), random.name("v"))]);
            ChangeQueueTags { id, set, remove: [random.name("t")].into() }.into()
        }
        7 => {
            let policy = random.one_in(2).then(|| "{\"Statement\":[]}".into());
            SetQueuePolicy { id, policy }.into()
        }
        _ if random.one_in(2) => DeleteQueue { id }.into(),
        _ => RemoveQueue { id }.into(),
    }
}

fn distribution(random: &mut Random) -> Distribution {
    if random.one_in(2) { Distribution::Auto } else { Distribution::UserPartitionKey }
}

fn setting_command(random: &mut Random, stream: String) -> Command {
    match random.below(3) {
        0 => SetDistribution { stream, distribution: distribution(random) }.into(),
        1 => {
            let mibps = u32::try_from(random.below(7)).unwrap();
            WarmUp { stream, mibps, convert: random.one_in(2) }.into()
        }
        _ => {
            let mut some = || [ShardMetric::ALL[random.size(7)], ShardMetric::ALL[random.size(7)]].into();
            ChangeMonitoring { stream, enable: some(), disable: some() }.into()
        }
    }
}

fn function_command(random: &mut Random, state: &State) -> Command {
    let (name, layer_name) = (random.name("f"), random.name("l"));
    let revision_id =
        state.function(&name).map_or_else(|_| "none".into(), |function| function.revision_id.clone());
    let next = random.below(1_000);
    match random.below(17) {
        13 | 14 => event_invoke_command(random, name),
        15 | 16 => provisioned_command(random, name),
        0 | 1 => function(&name, random).into(),
        11 => policy_command(random, state, name, layer_name),
        12 => url_command(random, name),
        8 => PublishVersion {
            name,
            description: random.one_in(2).then(|| "published".into()),
            expected_revision: None,
            revision_id: format!("version-{next}"),
        }
        .into(),
        9 => alias_command(random, name),
        10 if random.one_in(2) => DeleteFunctionVersion { name, version: 1 + random.below(3) }.into(),
        10 => {
            let reserved = random.one_in(2).then(|| u32::try_from(random.below(9)).unwrap());
            ReserveConcurrency { function: name, reserved, limit: random.one_in(2).then_some(LIMIT) }.into()
        }
        2 => DeleteFunction { name }.into(),
        3 | 4 => {
            let failure = random.one_in(3).then(|| ("InvalidZipFileException".into(), "not a zip".into()));
            FinishFunctionUpdate { name, revision_id, failure }.into()
        }
        5 => UpdateFunction {
            name,
            code: random.one_in(2).then(|| code(next)),
            settings: random.one_in(2).then(|| settings(random)),
            architectures: random.one_in(3).then(|| vec!["arm64".into()]),
            expected_revision: random.one_in(3).then_some(revision_id),
            revision_id: format!("revision-{next}"),
            publish: random.one_in(4),
        }
        .into(),
        6 => layer(&layer_name, next).into(),
        _ => {
            let version = state.layers.get(&layer_name).map_or(1, |layer| layer.newest);
            DeleteLayerVersion { name: layer_name, version }.into()
        }
    }
}

const LIMIT: ConcurrencyLimit = ConcurrencyLimit { all: 20, unreserved: 5 };

fn provisioned_command(random: &mut Random, function: String) -> Command {
    let qualifier = if random.one_in(2) { (1 + random.below(3)).to_string() } else { random.name("a") };
    if random.one_in(3) {
        return DeleteProvisionedConcurrency { function, qualifier }.into();
    }
    let executions = 1 + u32::try_from(random.below(9)).unwrap();
    PutProvisionedConcurrency { function, qualifier, executions, limit: LIMIT }.into()
}

fn event_invoke_command(random: &mut Random, function: String) -> Command {
    let qualifier = match random.below(3) {
        0 => "$LATEST".to_owned(),
        1 => (1 + random.below(3)).to_string(),
        _ => random.name("a"),
    };
    let mut number = |end: u64| random.one_in(2).then(|| u32::try_from(random.below(end)).unwrap());
    let (max_retries, max_age_secs) = (number(3), number(21_600));
    let mut arn =
        || random.one_in(2).then(|| format!("arn:aws:sqs:us-east-1:000000000000:q{}", random.below(3)));
    let (on_success, on_failure) =
        (arn(), arn().map(|arn| if arn.ends_with('0') { String::new() } else { arn }));
    match random.below(4) {
        0 => OpenEventJournal {}.into(),
        1 => DeleteEventInvokeConfig { function, qualifier }.into(),
        2 => {
            ChangeEventInvokeConfig { function, qualifier, max_retries, max_age_secs, on_success, on_failure }
                .into()
        }
        _ => PutEventInvokeConfig { function, qualifier, max_retries, max_age_secs, on_success, on_failure }
            .into(),
    }
}

fn policy_command(random: &mut Random, state: &State, name: String, layer: String) -> Command {
    let qualifier = if random.one_in(2) { String::new() } else { random.name("a") };
    let of_function = random.one_in(2);
    let (of, present) = if of_function {
        let function = state.function(&name).ok();
        let present = function.and_then(|function| function.policies.get(&qualifier).cloned());
        (PolicyOf::Function { name, qualifier }, present)
    } else {
        let version = state.layers.get(&layer).map_or(1, |layer| layer.newest);
        let present = state.layer_version(&layer, version).and_then(|version| version.policy.clone());
        (PolicyOf::LayerVersion { layer, version }, present)
    };
    SetLambdaPolicy {
        of,
        policy: (!random.one_in(3)).then(|| "{\"Statement\":[]}".into()),
        replaces: present.map(|policy| policy.revision_id.clone()),
        revision_id: format!("policy-{}", random.below(1_000)),
    }
    .into()
}

fn url_command(random: &mut Random, function: String) -> Command {
    let alias = if random.one_in(2) { String::new() } else { random.name("a") };
    let cors = || UrlCors { origins: Some(vec!["*".into()]), max_age_secs: Some(60), ..UrlCors::default() };
    let mode = random.one_in(2).then_some(UrlMode::Buffered);
    let change = match random.below(4) {
        0 | 1 => {
            let settings = UrlSettings { auth: UrlAuth::None, cors: random.one_in(2).then(cors), mode };
            UrlChange::Create { id: format!("url{}", random.below(1_000)), settings }
        }
        2 => UrlChange::Update {
            auth: random.one_in(2).then_some(UrlAuth::Iam),
            cors: random.one_in(2).then(cors),
            mode: random.one_in(2).then_some(UrlMode::ResponseStream),
        },
        _ => UrlChange::Delete,
    };
    ChangeFunctionUrl { function, alias, change }.into()
}

fn alias_command(random: &mut Random, function: String) -> Command {
    let (name, revision_id) = (random.name("a"), format!("alias-{}", random.below(1_000)));
    let version = (1 + random.below(3)).to_string();
    let additional = random.one_in(3).then(|| ((1 + random.below(3)).to_string(), 250_000_000));
    match random.below(4) {
        0 | 1 => {
            let target = AliasTarget { version, additional };
            CreateAlias { function, name, target, description: String::new(), revision_id }.into()
        }
        2 => UpdateAlias {
            function,
            name,
            version: Some(version),
            additional: random.one_in(2).then(|| additional.into_iter().collect()),
            description: random.one_in(2).then(|| "described".into()),
            expected_revision: None,
            revision_id,
        }
        .into(),
        _ => DeleteAlias { function, name }.into(),
    }
}

fn mapping_command(random: &mut Random, state: &State) -> Command {
    let (uuid, stream) = (random.name("m"), random.name("s"));
    // One of the mapping's own shards, or any other.
    let own = state.mapping(&uuid).ok().and_then(|mapping| state.stream(&mapping.source.stream).ok());
    let shard = match own {
        Some(stream) if !random.one_in(5) => stream.shards[random.size(stream.shards.len())].log,
        _ => LogShard(random.below(20)),
    };
    let position = Position(random.below(1_000));
    match random.below(12) {
        10 => RecordResult { uuid, result: random.name("PROBLEM: ") }.into(),
        11 => {
            let mapping = Tagged::Mapping(uuid);
            let of = if random.one_in(3) { Tagged::Function(random.name("f")) } else { mapping };
            let set = BTreeMap::from([(random.name("t"), random.name("v"))]);
            ChangeLambdaTags { of, set, remove: [random.name("t")].into(), limit: 2 }.into()
        }
        0 | 1 => mapping(&uuid, &stream, random).into(),
        2 | 3 => ActivateMapping { uuid, positions: vec![(shard, position)] }.into(),
        4 => ChangeMapping { uuid, settings: mapping_settings(random) }.into(),
        5 => SettleMapping { uuid }.into(),
        6 if random.one_in(2) => DeleteMapping { uuid }.into(),
        7 => RemoveMapping { uuid }.into(),
        _ => Checkpoint { mapping: uuid, shard, position }.into(),
    }
}

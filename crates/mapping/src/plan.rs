use millstream_control::{
    ConsumerStatus, Function, FunctionStatus, Mapping, MappingSettings, Shard, State, Stream, StreamStatus,
};
use millstream_functions::FunctionSpec;
use std::sync::Arc;

/// The tag of a mapping that asks for aggregated records to be taken apart: our own addition, in a form that every client of
/// AWS can say. Its value is `true` or `false`.
pub const DEAGGREGATE_TAG: &str = "millstream:deaggregate";

/// What the supervisor tells a lane.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Run(Arc<Plan>),
    /// End as soon as no invocation is under way.
    Stop,
}

/// What a lane works by.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) stream: Arc<Stream>,
    pub(crate) shard: Shard,
    pub(crate) target: Target,
}

impl Plan {
    /// How many lanes a shard has. Each takes a part of the partition keys.
    pub(crate) fn lanes(&self) -> u32 {
        self.mapping.settings.delivery.parallelization.max(1)
    }

    /// Whether the records that a producer put together are delivered one by one.
    pub(crate) fn takes_apart(&self) -> bool {
        self.mapping.tags.get(DEAGGREGATE_TAG).is_some_and(|value| value == "true")
    }

    /// Whether batches are formed as by `other`. A mapping that was updated to what it was counts as changed: that is a
    /// user's way of saying "try again".
    pub(crate) fn forms_as(&self, other: &Self) -> bool {
        self.mapping.settings == other.mapping.settings
            && self.mapping.modified == other.mapping.modified
            && self.takes_apart() == other.takes_apart()
    }

    pub(crate) fn runs_as(&self, other: &Self) -> bool {
        match (&self.target, &other.target) {
            (Target::Ready(this), Target::Ready(that)) => {
                this.arn == that.arn && this.revision == that.revision
            }
            (Target::Unavailable(this), Target::Unavailable(that)) => this == that,
            _ => false,
        }
    }

    /// Whether a lane need not hear of the change from `other`.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.forms_as(other)
            && self.runs_as(other)
            && self.shard == other.shard
            && self.stream.retention_hours == other.stream.retention_hours
    }
}

/// The function, if it can be invoked now; else why not.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Ready(Arc<FunctionSpec>),
    Unavailable(String),
}

impl Target {
    pub(crate) fn of(mapping: &Mapping, state: &State) -> Self {
        let settings = &mapping.settings;
        let Some(function) = state.functions.get(&settings.function) else {
            return Self::Unavailable(format!("Function not found: {}", settings.function_arn));
        };
        match &function.status {
            FunctionStatus::Active => match crate::qualified_spec(function, qualifier(settings, function)) {
                Ok(spec) => Self::Ready(spec),
                Err(error) => Self::Unavailable(error.to_string()),
            },
            FunctionStatus::Pending => {
                Self::Unavailable(format!("Function {} is Pending, not yet Active", function.name))
            }
            FunctionStatus::Failed { code, reason } => {
                Self::Unavailable(format!("Function {} is Failed ({code}): {reason}", function.name))
            }
        }
    }
}

/// What of the function a mapping invokes: a version or an alias, or the function itself. The ARN that it shows says so.
fn qualifier<'a>(settings: &'a MappingSettings, function: &Function) -> Option<&'a str> {
    settings.function_arn.strip_prefix(function.arn.as_str())?.strip_prefix(':')
}

/// Whether a mapping's source can be read now.
#[derive(Clone, Debug)]
pub(crate) enum Reading {
    Ready(Arc<Stream>),
    /// It is being made: wait.
    NotYet,
    /// Why it cannot be read until somebody makes it anew.
    Gone(String),
}

impl Reading {
    pub(crate) fn of(mapping: &Mapping, state: &State) -> Self {
        let source = &mapping.source;
        let Some(stream) = state.streams.get(&source.stream) else {
            return Self::Gone(format!("Stream not found: {}", source.stream_arn));
        };
        match stream.status {
            StreamStatus::Creating => return Self::NotYet,
            StreamStatus::Deleting => {
                return Self::Gone(format!("Stream is being deleted: {}", source.stream_arn));
            }
            StreamStatus::Active | StreamStatus::Updating => {}
        }
        if let Some(arn) = &source.consumer_arn {
            match stream.consumer_by_arn(arn).map(|consumer| consumer.status) {
                Some(ConsumerStatus::Active) => {}
                Some(ConsumerStatus::Creating) => return Self::NotYet,
                Some(ConsumerStatus::Deleting) | None => {
                    return Self::Gone(format!("Consumer not found: {arn}"));
                }
            }
        }
        Self::Ready(stream.clone())
    }
}

/// Whether a mapping has processed all of a closed shard, durably.
pub(crate) fn is_finished(state: &State, mapping: &Mapping, shard: &Shard) -> bool {
    shard.closed_at.is_some_and(|closed| {
        state.checkpoint(&mapping.uuid, shard.log).is_some_and(|position| position >= closed)
    })
}

/// Whether a shard's turn has come: all its parents are finished. A parent that is no more holds nothing to wait for.
pub(crate) fn may_start(state: &State, mapping: &Mapping, stream: &Stream, shard: &Shard) -> bool {
    shard.parents().filter_map(|id| stream.shard(id)).all(|parent| is_finished(state, mapping, parent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_control::{
        DeliverySettings, Distribution, MappingSettings, MappingState, Source, StartingPosition, StreamMode,
    };
    use millstream_types::{HashRange, LogShard, Position, ShardId, Timestamp};
    use std::collections::{BTreeMap, BTreeSet};

    fn mapping() -> Mapping {
        Mapping {
            uuid: "m".into(),
            arn: String::new(),
            source: Source { stream: "s".into(), stream_arn: String::new(), consumer_arn: None },
            starting: StartingPosition::TrimHorizon,
            settings: MappingSettings {
                function: "f".into(),
                function_arn: String::new(),
                batch_size: 1,
                window_secs: 0,
                enabled: true,
                delivery: DeliverySettings::default(),
            },
            state: MappingState::Enabled,
            modified: Timestamp::ZERO,
            tags: BTreeMap::new(),
            last_result: None,
        }
    }

    /// Shards 0 and 1, both closed at 5, merged into 2.
    fn merged() -> Stream {
        let shard = |number, parents: [Option<u64>; 2], closed_at| Shard {
            id: ShardId(number),
            log: LogShard(number + 10),
            range: HashRange::tile(1)[0],
            parent: parents[0].map(ShardId),
            adjacent_parent: parents[1].map(ShardId),
            closed_at,
            opened: None,
            closed: None,
        };
        let closed = Some(Position(5));
        Stream {
            name: "s".into(),
            arn: String::new(),
            created: Timestamp::ZERO,
            status: StreamStatus::Active,
            mode: StreamMode::Provisioned,
            retention_hours: 24,
            max_record_kib: 1_024,
            shards: vec![
                shard(0, [None, None], closed),
                shard(1, [None, None], closed),
                shard(2, [Some(0), Some(1)], None),
            ],
            consumers: BTreeMap::new(),
            tags: BTreeMap::new(),
            kept_from: Timestamp::ZERO,
            reshard: None,
            distribution: Distribution::default(),
            monitoring: BTreeSet::new(),
            warm_mibps: None,
            count_updates: Vec::new(),
            policy: None,
            encryption: None,
            data_keys: Vec::new(),
            encryption_change: None,
        }
    }

    #[test]
    fn a_child_waits_for_both_parents() {
        let (mapping, stream) = (mapping(), merged());
        let child = &stream.shards[2];
        let mut state = State::default();
        let at = |state: &mut State, shard: u64, position| {
            state.checkpoints.entry("m".into()).or_default().insert(LogShard(shard), Position(position));
        };
        assert!(may_start(&state, &mapping, &stream, &stream.shards[0]), "no parents");
        assert!(!may_start(&state, &mapping, &stream, child));
        at(&mut state, 10, 5);
        assert!(!may_start(&state, &mapping, &stream, child), "one parent has no checkpoint");
        at(&mut state, 11, 4);
        assert!(!may_start(&state, &mapping, &stream, child), "one parent is not at its end");
        at(&mut state, 11, 5);
        assert!(may_start(&state, &mapping, &stream, child));
        assert!(!is_finished(&state, &mapping, child), "an open shard never is");
    }

    #[test]
    fn a_lane_hears_of_what_it_works_by_and_of_nothing_else() {
        type Change = fn(&mut Plan);
        let plan = Plan {
            mapping: Arc::new(mapping()),
            stream: Arc::new(merged()),
            shard: merged().shards[2].clone(),
            target: Target::Unavailable("none".into()),
        };
        let changes: [(&str, bool, Change); 6] = [
            ("tags", true, |plan| {
                Arc::make_mut(&mut plan.stream).tags.insert("a".into(), "b".into());
            }),
            ("retention", false, |plan| Arc::make_mut(&mut plan.stream).retention_hours = 48),
            ("closed", false, |plan| plan.shard.closed_at = Some(Position(9))),
            ("settings", false, |plan| Arc::make_mut(&mut plan.mapping).settings.batch_size = 2),
            ("touched", false, |plan| Arc::make_mut(&mut plan.mapping).modified = Timestamp::from_millis(1)),
            ("target", false, |plan| plan.target = Target::Unavailable("other".into())),
        ];
        for (what, same, change) in changes {
            let mut other = plan.clone();
            change(&mut other);
            assert_eq!(plan.same_as(&other), same, "{what}");
        }
    }

    #[test]
    fn a_parent_that_is_no_more_holds_nothing_back() {
        let mut stream = merged();
        stream.shards[2].parent = Some(ShardId(7));
        stream.shards[2].adjacent_parent = None;
        assert!(may_start(&State::default(), &mapping(), &stream, &stream.shards[2]));
    }
}

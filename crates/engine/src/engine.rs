use crate::scaling::{Meters, ScalingSettings};
use crate::steady_time::SteadyTime;
use crate::subscribe::{Registry, Rooms};
use millstream_control::Stream;
use millstream_control_node::ControlHandle;
use millstream_host::Clock;
use millstream_log::{AppendError, Log, ReadError, TailWatch};
use millstream_types::{LogShard, Position, ShardId, Timestamp};
use millstream_vault::{KeyError, OpenError, Vault};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    #[error("stream {stream} has no shard {shard}")]
    NoSuchShard { stream: String, shard: ShardId },
    /// The stream was deleted under the caller's feet.
    #[error("stream {0} is gone")]
    Gone(String),
    #[error("no open shard of stream {0} takes this key")]
    NoShardForKey(String),
    /// A record that was to be appended could not give its data.
    #[error("record {record} of a call to stream {stream} has no data")]
    NoData { stream: String, record: usize },
    #[error("the record at position {0} is not in a form that this version knows")]
    UnknownForm(Position),
    /// The records are encrypted, and there is no key for them.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A sealed batch was changed on the disk, or moved.
    #[error("the encrypted records from position {position} on are not served: {why}")]
    Sealed { position: Position, why: OpenError },
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Read(ReadError),
}

/// All shards of the server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) control: ControlHandle,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) subscriptions: Arc<Registry>,
    pub(crate) rooms: Rooms,
    pub(crate) retention: Arc<SteadyTime>,
    /// Where the records of streams that distribute by themselves go next.
    pub(crate) turn: Arc<AtomicUsize>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) vault: Vault,
}

impl Engine {
    pub fn new(log: Arc<dyn Log>, control: ControlHandle, clock: Arc<dyn Clock>) -> Self {
        let retention = Arc::new(SteadyTime::new(&*clock));
        Self {
            log,
            control,
            clock,
            subscriptions: Arc::default(),
            rooms: Rooms::default(),
            retention,
            turn: Arc::default(),
            meters: Arc::default(),
            vault: Vault::default(),
        }
    }

    /// With other room than [`crate::caps::EVENTS_KIB`] for the events of subscriptions.
    #[must_use]
    pub fn with_room_for_events(self, kib: usize) -> Self {
        Self { rooms: Rooms::of_kib(kib), ..self }
    }

    /// With the keys that streams are encrypted with.
    #[must_use]
    pub fn with_vault(self, vault: Vault) -> Self {
        Self { vault, ..self }
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Do the work that the control state asks for (log shards of new and deleted streams, consumers), for ever.
    /// `delay` keeps a stream or consumer in `CREATING` or `DELETING` for a while, as a client may want to see.
    pub async fn run_lifecycle(self, delay: Duration) {
        crate::lifecycle::run(self, delay).await;
    }

    /// Let go of expired records, for ever.
    pub async fn run_retention(self) {
        crate::retention::run(self).await;
    }

    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// Give on-demand streams as many shards as their load needs, for ever.
    pub async fn run_scaling(self, settings: ScalingSettings) {
        crate::scaling::run(self, settings).await;
    }

    pub fn control(&self) -> &ControlHandle {
        &self.control
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time by which records expire: [`Engine::now`], except that a clock which jumps ahead must stay there for an
    /// hour before it is believed.
    pub fn retention_now(&self) -> Timestamp {
        self.retention.now(&*self.clock)
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub fn tail(&self, stream: &Stream, shard: LogShard) -> Result<TailWatch, EngineError> {
        self.log.tail(shard).map_err(|error| read_error(stream, error))
    }

    /// Why nothing can be appended any more, if the log has stopped.
    pub fn stopped(&self) -> Option<String> {
        self.log.stopped()
    }
}

/// A log shard that is not there means that its stream was deleted: the control state names only shards that were made.
pub(crate) fn read_error(stream: &Stream, error: ReadError) -> EngineError {
    match error {
        ReadError::NoSuchShard(_) => EngineError::Gone(stream.name.clone()),
        other => EngineError::Read(other),
    }
}

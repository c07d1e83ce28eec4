//! The control plane: what exists, as a pure state machine.
//!
//! [`State`] changes only through a command's [`ControlCommand::apply`], which is deterministic: no clock, no chance, no
//! I/O; the time comes with the command. The log holds the commands ([`Entry`]), and applying them all again gives the
//! same state, byte for byte.
//!
//! Work that a change needs (making log shards, unpacking code) is derived from the state itself: what is `Creating`
//! still has to be created. That way a crash between a command and its work leaves nothing to be remembered.
//!
//! Invariant: this crate knows no async, no wire format and no log.

mod account;
mod command;
mod concurrency;
mod encryption;
mod entry;
mod event_invoke;
mod function;
mod function_url;
mod layer;
mod mapping;
mod policy;
mod queue;
mod refusal;
mod reshard;
mod snapshot;
mod state;
mod stream;
mod stream_settings;
mod version;

pub mod caps;

pub use account::{Account, Commitment};
pub use command::{
    ActivateConsumer, ActivateMapping, ActivateQueue, ActivateStream, ChangeEventInvokeConfig,
    ChangeFunctionUrl, ChangeLambdaTags, ChangeMapping, ChangeMonitoring, ChangeQueue, ChangeQueueTags,
    ChangeRetention, ChangeStream, ChangeTags, Checkpoint, CloseShards, Command, ControlCommand, CreateAlias,
    CreateFunction, CreateMapping, CreateOnDemandStream, CreateQueue, CreateStream, DeadLetters, DeleteAlias,
    DeleteEventInvokeConfig, DeleteFunction, DeleteFunctionVersion, DeleteLayerVersion, DeleteMapping,
    DeleteProvisionedConcurrency, DeleteQueue, DeleteStream, DeregisterConsumer, FinishEncryptionChange,
    FinishFunctionUpdate, FinishReshard, MergeShards, OpenEventJournal, PublishLayerVersion, PublishVersion,
    PutEventInvokeConfig, PutProvisionedConcurrency, RecordResult, RegisterConsumer, RemoveConsumer,
    RemoveMapping, RemoveQueue, RemoveShards, RemoveStream, ReserveConcurrency, RetentionChange, ScaleStream,
    SetCommitment, SetDistribution, SetLambdaPolicy, SetPolicy, SetQueuePolicy, SettleMapping, SplitShard,
    StartEncryption, StopEncryption, Tagged, UpdateAlias, UpdateFunction, UpdateShardCount, UrlChange,
    WarmUp,
};
pub use concurrency::{ConcurrencyLimit, ConcurrencyRefusal, Provisioned};
pub use encryption::{DataKey, Encryption, EncryptionChange};
pub use entry::{Entry, EntryError};
pub use event_invoke::EventInvokeConfig;
pub use function::{
    Code, Function, FunctionSettings, FunctionStatus, LayerUse, LogLevels, LoggingSettings, UpdateStatus,
};
pub use function_url::{FunctionUrl, UrlAuth, UrlCors, UrlMode, UrlSettings};
pub use layer::{Layer, LayerVersion};
pub use mapping::{DeliverySettings, Mapping, MappingSettings, MappingState, Source, StartingPosition};
pub use policy::{PolicyOf, ResourcePolicy};
pub use queue::{Queue, QueueBegin, QueueSettings, QueueStatus};
pub use refusal::{OnDemandRefusal, Refusal, ReshardRefusal};
pub use reshard::Reshard;
pub use snapshot::{
    Record, SNAPSHOT_FORMAT, SnapshotBegin, SnapshotEnd, SnapshotLines, SnapshotPart, SnapshotRecord,
};
pub use state::State;
pub use stream::{Consumer, ConsumerStatus, Shard, Stream, StreamMode, StreamStatus};
pub use stream_settings::{Distribution, ShardMetric};
pub use version::{Alias, AliasTarget, FunctionVersion, Published};

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

mod command;
mod entry;
mod function;
mod layer;
mod mapping;
mod refusal;
mod reshard;
mod snapshot;
mod state;
mod stream;
mod version;

pub mod caps;

pub use command::{
    ActivateConsumer, ActivateMapping, ActivateStream, ChangeMapping, ChangeRetention, ChangeStream,
    ChangeTags, Checkpoint, CloseShards, Command, ControlCommand, CreateAlias, CreateFunction, CreateMapping,
    CreateStream, DeleteAlias, DeleteFunction, DeleteFunctionVersion, DeleteLayerVersion, DeleteMapping,
    DeleteStream, DeregisterConsumer, FinishFunctionUpdate, FinishReshard, MergeShards, PublishLayerVersion,
    PublishVersion, RegisterConsumer, RemoveConsumer, RemoveMapping, RemoveShards, RemoveStream,
    ReserveConcurrency, RetentionChange, SetPolicy, SettleMapping, SplitShard, UpdateAlias, UpdateFunction,
    UpdateShardCount,
};
pub use entry::{Entry, EntryError};
pub use function::{Code, Function, FunctionSettings, FunctionStatus, LayerUse, UpdateStatus};
pub use layer::{Layer, LayerVersion};
pub use mapping::{Mapping, MappingSettings, MappingState, Source, StartingPosition};
pub use refusal::{Refusal, ReshardRefusal};
pub use reshard::Reshard;
pub use snapshot::{
    Record, SNAPSHOT_FORMAT, SnapshotBegin, SnapshotEnd, SnapshotLines, SnapshotPart, SnapshotRecord,
};
pub use state::State;
pub use stream::{Consumer, ConsumerStatus, Shard, Stream, StreamMode, StreamStatus};
pub use version::{Alias, AliasTarget, FunctionVersion, Published};

//! The commands, one a file. Each says what it refuses and what it changes.

mod activate_consumer;
mod activate_mapping;
mod activate_queue;
mod activate_stream;
mod change_event_invoke_config;
mod change_function_url;
mod change_lambda_tags;
mod change_mapping;
mod change_monitoring;
mod change_queue;
mod change_queue_tags;
mod change_retention;
mod change_stream;
mod change_tags;
mod checkpoint;
mod close_shards;
mod create_alias;
mod create_function;
mod create_mapping;
mod create_on_demand_stream;
mod create_queue;
mod create_stream;
mod delete_alias;
mod delete_event_invoke_config;
mod delete_function;
mod delete_function_version;
mod delete_layer_version;
mod delete_mapping;
mod delete_provisioned_concurrency;
mod delete_queue;
mod delete_stream;
mod deregister_consumer;
mod finish_encryption_change;
mod finish_function_update;
mod finish_reshard;
mod merge_shards;
mod open_event_journal;
mod publish_layer_version;
mod publish_version;
mod put_event_invoke_config;
mod put_provisioned_concurrency;
mod record_result;
mod register_consumer;
mod remove_consumer;
mod remove_mapping;
mod remove_queue;
mod remove_shards;
mod remove_stream;
mod reserve_concurrency;
mod scale_stream;
mod set_commitment;
mod set_distribution;
mod set_lambda_policy;
mod set_policy;
mod set_queue_policy;
mod settle_mapping;
mod split_shard;
mod start_encryption;
mod stop_encryption;
mod update_alias;
mod update_function;
mod update_shard_count;
mod warm_up;

pub use change_function_url::UrlChange;
pub use change_lambda_tags::Tagged;
pub use change_queue::DeadLetters;
pub use change_retention::RetentionChange;

use crate::{Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that changes the state, and what whoever asked for it gets back.
pub trait ControlCommand: Into<Command> + Clone + Send + 'static {
    type Outcome: Send + 'static;

    /// Apply at time `at`. Must be a pure function of (state, command, time), and change nothing when it refuses.
    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Self::Outcome, Refusal>;
}

/// The enum that the log holds, with its dispatch.
macro_rules! commands {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        $(pub use $module::$name;)+

        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Command {
            $($name(Box<$name>),)+
        }

        $(impl From<$name> for Command {
            fn from(command: $name) -> Self {
                Self::$name(Box::new(command))
            }
        })+

        impl Command {
            /// Apply for the change alone, as replay does.
            pub fn apply(&self, state: &mut State, at: Timestamp) -> Result<(), Refusal> {
                match self {
                    $(Self::$name(command) => command.apply(state, at).map(drop),)+
                }
            }
        }
    };
}

commands! {
    activate_consumer::ActivateConsumer,
    activate_mapping::ActivateMapping,
    activate_queue::ActivateQueue,
    activate_stream::ActivateStream,
    change_event_invoke_config::ChangeEventInvokeConfig,
    change_function_url::ChangeFunctionUrl,
    change_lambda_tags::ChangeLambdaTags,
    change_mapping::ChangeMapping,
    change_monitoring::ChangeMonitoring,
    change_queue::ChangeQueue,
    change_queue_tags::ChangeQueueTags,
    change_retention::ChangeRetention,
    change_stream::ChangeStream,
    change_tags::ChangeTags,
    checkpoint::Checkpoint,
    close_shards::CloseShards,
    create_alias::CreateAlias,
    create_function::CreateFunction,
    create_mapping::CreateMapping,
    create_on_demand_stream::CreateOnDemandStream,
    create_queue::CreateQueue,
    create_stream::CreateStream,
    delete_alias::DeleteAlias,
    delete_event_invoke_config::DeleteEventInvokeConfig,
    delete_function::DeleteFunction,
    delete_function_version::DeleteFunctionVersion,
    delete_layer_version::DeleteLayerVersion,
    delete_mapping::DeleteMapping,
    delete_provisioned_concurrency::DeleteProvisionedConcurrency,
    delete_queue::DeleteQueue,
    delete_stream::DeleteStream,
    deregister_consumer::DeregisterConsumer,
    finish_encryption_change::FinishEncryptionChange,
    finish_function_update::FinishFunctionUpdate,
    finish_reshard::FinishReshard,
    merge_shards::MergeShards,
    open_event_journal::OpenEventJournal,
    publish_layer_version::PublishLayerVersion,
    publish_version::PublishVersion,
    put_event_invoke_config::PutEventInvokeConfig,
    put_provisioned_concurrency::PutProvisionedConcurrency,
    record_result::RecordResult,
    register_consumer::RegisterConsumer,
    remove_consumer::RemoveConsumer,
    remove_mapping::RemoveMapping,
    remove_queue::RemoveQueue,
    remove_shards::RemoveShards,
    remove_stream::RemoveStream,
    reserve_concurrency::ReserveConcurrency,
    scale_stream::ScaleStream,
    set_commitment::SetCommitment,
    set_distribution::SetDistribution,
    set_lambda_policy::SetLambdaPolicy,
    set_policy::SetPolicy,
    set_queue_policy::SetQueuePolicy,
    settle_mapping::SettleMapping,
    split_shard::SplitShard,
    start_encryption::StartEncryption,
    stop_encryption::StopEncryption,
    update_alias::UpdateAlias,
    update_function::UpdateFunction,
    update_shard_count::UpdateShardCount,
    warm_up::WarmUp,
}

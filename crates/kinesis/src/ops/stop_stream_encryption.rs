//! StopStreamEncryption: records are stored as they are from when the stream is active again. The encrypted ones stay so.

use crate::Kinesis;
use crate::encryption::check_type;
use crate::error::{self, Failure};
use crate::limits::Daily;
use millstream_api_kinesis as api;
use millstream_control::{StopEncryption, Stream};
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::StopStreamEncryptionInput) -> Result<Empty, Failure> {
    let turn = service.turn().await;
    let stream = service.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_type(&input.encryption_type)?;
    check_key(service, &stream, &input.key_id)?;
    // What is not encrypted stays so, which is no use.
    let stops = stream.encryption.is_some();
    if stops {
        service.check_daily(&turn, Daily::EncryptionStop, &stream)?;
    }
    let stopped = service.control().submit(StopEncryption { stream: stream.name.clone() }).await;
    stopped.map_err(|error| error::control(error, &service.home.account))?;
    if stops {
        service.used_daily(&turn, Daily::EncryptionStop, &stream);
    }
    Ok(Empty {})
}

/// The key must be the stream's, by whatever name. Its own name does without the key, which may be lost.
fn check_key(service: &Kinesis, stream: &Stream, key_id: &str) -> Result<(), Failure> {
    let Some(encryption) = &stream.encryption else { return Ok(()) };
    if encryption.key_id == key_id {
        return Ok(());
    }
    let master = service.engine.vault().master_id(key_id, &service.home).map_err(error::key)?;
    if stream.current_data_key().is_some_and(|key| key.master == master) {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "Stream {} under account {} is not encrypted with key {key_id}.",
        stream.own_name(),
        service.home.account
    )))
}

//! StartStreamEncryption: records are encrypted from when the stream is active again. Asked for again, with another key or
//! with a new version of the same one, it goes on with that; what is there stays as it was written.

use crate::Kinesis;
use crate::encryption::check_type;
use crate::error::{self, Failure};
use crate::limits::Daily;
use millstream_api_kinesis as api;
use millstream_control::StartEncryption;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::StartStreamEncryptionInput) -> Result<Empty, Failure> {
    let turn = service.turn().await;
    let stream = service.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    check_type(&input.encryption_type)?;
    service.check_daily(&turn, Daily::EncryptionStart, &stream)?;
    let data_key = service.engine.vault().data_key(&stream, &input.key_id, &service.home);
    let start = StartEncryption {
        stream: stream.name.clone(),
        arn: stream.arn.clone(),
        key_id: input.key_id,
        data_key: data_key.map_err(error::key)?,
    };
    let started = service.control().submit(start).await;
    started.map_err(|error| error::control(error, &service.home.account))?;
    service.used_daily(&turn, Daily::EncryptionStart, &stream);
    Ok(Empty {})
}

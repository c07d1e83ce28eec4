//! UpdateMaxRecordSize: how large a record may be from now on. Those that are there stay.

use crate::Kinesis;
use crate::error::{self, Failure};
use millstream_api_kinesis as api;
use millstream_control::ChangeStream;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::UpdateMaxRecordSizeInput) -> Result<Empty, Failure> {
    let name = service.stream(None, input.stream_arn.as_deref())?.name.clone();
    let max_record_kib = u32::try_from(input.max_record_size_in_ki_b).ok();
    let changed = service.control().submit(ChangeStream { name, mode: None, max_record_kib }).await;
    changed.map_err(|error| error::control(error, &service.home.account))?;
    Ok(Empty {})
}

//! UpdateStreamMode: who decides how many shards a stream has.

use crate::Kinesis;
use crate::error::{self, Failure};
use millstream_api_kinesis as api;
use millstream_control::{ChangeStream, StreamMode};
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::UpdateStreamModeInput) -> Result<Empty, Failure> {
    let name = service.stream(None, Some(&input.stream_arn))?.name.clone();
    if input.warm_throughput_mi_bps.is_some() {
        return Err(Failure::invalid("WarmThroughputMiBps is not supported by this version of Millstream."));
    }
    let mode = match input.stream_mode_details.stream_mode {
        api::StreamMode::OnDemand => StreamMode::OnDemand,
        _ => StreamMode::Provisioned,
    };
    let changed =
        service.control().submit(ChangeStream { name, mode: Some(mode), max_record_kib: None }).await;
    changed.map_err(|error| error::control(error, &service.home.account))?;
    Ok(Empty {})
}

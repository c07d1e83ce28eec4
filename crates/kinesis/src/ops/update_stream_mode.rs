//! UpdateStreamMode: who decides how many shards a stream has.

use crate::error::{self, Failure};
use crate::limits::Daily;
use crate::{Kinesis, warm};
use millstream_api_kinesis as api;
use millstream_control::{ChangeStream, StreamMode, WarmUp};
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::UpdateStreamModeInput) -> Result<Empty, Failure> {
    let turn = service.turn().await;
    let stream = service.stream(None, Some(&input.stream_arn))?;
    let name = stream.name.clone();
    let mode = match input.stream_mode_details.stream_mode {
        api::StreamMode::OnDemand => StreamMode::OnDemand,
        _ => StreamMode::Provisioned,
    };
    // To stay as it is is no switch.
    let switches = stream.mode != mode;
    if switches {
        service.check_daily(&turn, Daily::ModeUpdate, &stream)?;
    }
    let submitted = match (mode, input.warm_throughput_mi_bps.map(warm::mibps)) {
        (StreamMode::OnDemand, Some(mibps)) => {
            service.control().submit(WarmUp { stream: name, mibps, convert: true }).await.map(drop)
        }
        (StreamMode::Provisioned, Some(_)) => {
            return Err(Failure::invalid(
                "WarmThroughputMiBps must not be given when a stream is changed to PROVISIONED mode.",
            ));
        }
        (mode, None) => {
            service.control().submit(ChangeStream { name, mode: Some(mode), max_record_kib: None }).await
        }
    };
    submitted.map_err(|error| error::control(error, &service.home.account))?;
    if switches {
        service.used_daily(&turn, Daily::ModeUpdate, &stream);
    }
    Ok(Empty {})
}

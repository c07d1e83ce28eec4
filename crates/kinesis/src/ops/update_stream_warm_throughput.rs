//! UpdateStreamWarmThroughput: have an on-demand stream scaled for what is expected, before it comes.

use crate::error::{self, Failure};
use crate::{Kinesis, warm};
use millstream_api_kinesis as api;
use millstream_control::WarmUp;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::UpdateStreamWarmThroughputInput,
) -> Result<api::UpdateStreamWarmThroughputOutput, Failure> {
    let stream = service.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let mibps = warm::mibps(input.warm_throughput_mi_bps);
    let warm = WarmUp { stream: stream.name.clone(), mibps, convert: false };
    let open = service.control().submit(warm).await;
    let open = open.map_err(|error| error::control(error, &service.home.account))?;
    Ok(api::UpdateStreamWarmThroughputOutput {
        stream_arn: Some(stream.arn.clone()),
        stream_name: Some(stream.own_name().to_owned()),
        warm_throughput: Some(warm::shape(Some(mibps), open)),
        ..Default::default()
    })
}

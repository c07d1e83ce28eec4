//! DescribeAccountSettings: what is set for the account in this region.

use crate::error::Failure;
use crate::{Kinesis, shapes};
use millstream_api_kinesis as api;

pub(crate) async fn run(
    service: &Kinesis,
    _input: api::DescribeAccountSettingsInput,
) -> Result<api::DescribeAccountSettingsOutput, Failure> {
    let commitment = service.control().state().commitment(service.home.key_prefix());
    Ok(api::DescribeAccountSettingsOutput {
        minimum_throughput_billing_commitment: Some(shapes::commitment(commitment, service.engine.now())),
        ..Default::default()
    })
}

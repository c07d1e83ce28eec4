//! UpdateAccountSettings: begin the account's throughput commitment, or end it as soon as it may end.

use crate::error::{self, Failure};
use crate::{Kinesis, shapes};
use millstream_api_kinesis::{self as api, MinimumThroughputBillingCommitmentInputStatus as Status};
use millstream_control::SetCommitment;

pub(crate) async fn run(
    service: &Kinesis,
    input: api::UpdateAccountSettingsInput,
) -> Result<api::UpdateAccountSettingsOutput, Failure> {
    let enabled = input.minimum_throughput_billing_commitment.status == Status::Enabled;
    let home = service.home.key_prefix().to_owned();
    let set = service.control().submit(SetCommitment { home, enabled }).await;
    let commitment = set.map_err(|error| error::control(error, &service.home.account))?;
    Ok(api::UpdateAccountSettingsOutput {
        minimum_throughput_billing_commitment: Some(shapes::commitment(commitment, service.engine.now())),
        ..Default::default()
    })
}

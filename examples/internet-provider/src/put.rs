//! Puts sign-ups into the stream. A sign-up counts as put when the service acknowledged it, not before.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;

use tokio::time::Instant;

use crate::SIGN_UPS_STREAM;
use crate::caps::MAX_PUT_ATTEMPTS;
use crate::clients::Clients;
use crate::error::Error;
use crate::sign_up::SignUp;
use crate::tracker::{Source, Tracker};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The record's data.
fn encode(sign_up: &SignUp) -> Blob {
    // Numbers in a sign-up are finite and its keys are text, which is all that JSON asks for.
    Blob::new(serde_json::to_vec(sign_up).expect("a sign-up serialises"))
}

/// Puts one sign-up with PutRecord. The tracker is told the outcome.
pub(crate) async fn put_one(clients: &Clients, tracker: &Tracker, sign_up: SignUp) -> Result<(), Error> {
    let number = sign_up.number;
    tracker.begin(std::slice::from_ref(&sign_up), Instant::now());
    let call = clients.kinesis.put_record().stream_name(SIGN_UPS_STREAM).partition_key(&sign_up.id);
    match call.data(encode(&sign_up)).send().await {
        Ok(output) => {
            tracker.acknowledged(number, output.shard_id(), Instant::now());
            tracker.trouble(Source::Put, None);
            Ok(())
        }
        Err(error) => {
            tracker.failed(&[number]);
            Err(Error::service("put the sign-up", &error))
        }
    }
}

/// Puts at most [`crate::caps::MAX_PUT_RECORDS`] sign-ups with PutRecords; entries that the service does not take
/// are put again, a bounded number of times. The tracker is told the outcome of each.
pub(crate) async fn put_batch(clients: Arc<Clients>, tracker: Arc<Tracker>, mut waiting: Vec<SignUp>) {
    tracker.begin(&waiting, Instant::now());
    let mut pause = FIRST_PAUSE;
    for attempt in 1..=MAX_PUT_ATTEMPTS {
        let entries: Result<Vec<_>, _> = waiting.iter().map(entry).collect();
        let call = clients.kinesis.put_records().stream_name(SIGN_UPS_STREAM);
        match call.set_records(entries.ok()).send().await {
            Ok(output) => {
                tracker.trouble(Source::Put, None);
                let now = Instant::now();
                let mut results = output.records().iter();
                waiting.retain(|sign_up| match results.next() {
                    Some(result) if result.sequence_number().is_some() => {
                        tracker.acknowledged(sign_up.number, result.shard_id().unwrap_or_default(), now);
                        false
                    }
                    _ => true,
                });
            }
            Err(error) => {
                let trouble = Error::service("put sign-ups", &error).to_string();
                tracker.trouble(Source::Put, Some(trouble));
            }
        }
        if waiting.is_empty() {
            return;
        }
        if attempt < MAX_PUT_ATTEMPTS {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
    let numbers: Vec<u64> = waiting.iter().map(|sign_up| sign_up.number).collect();
    tracker.failed(&numbers);
}

fn entry(sign_up: &SignUp) -> Result<PutRecordsRequestEntry, aws_sdk_kinesis::error::BuildError> {
    PutRecordsRequestEntry::builder().partition_key(&sign_up.id).data(encode(sign_up)).build()
}

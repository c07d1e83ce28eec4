//! A function of the runtime `provided.wasm`: the event on standard input, the result on standard output, the log on
//! standard error. Each invocation is a run of `main`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{stdin, stdout};

/// What an event source mapping of a Kinesis stream sends.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    kinesis: Kinesis,
}

#[derive(Deserialize)]
struct Kinesis {
    data: String,
}

#[derive(Deserialize)]
struct Signup {
    user: String,
    country: String,
}

#[derive(Serialize)]
struct Enriched {
    user: String,
    options: Vec<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let event: Event = serde_json::from_reader(stdin().lock())?;
    // From the function's layer.
    let offers: BTreeMap<String, Vec<String>> = serde_json::from_slice(&std::fs::read("/opt/offers.json")?)?;
    let mut enriched = Vec::new();
    for record in event.records {
        let signup: Signup = serde_json::from_slice(&STANDARD.decode(record.kinesis.data)?)?;
        eprintln!("{} signed up from {}", signup.user, signup.country);
        let options = offers.get(&signup.country).cloned().unwrap_or_default();
        enriched.push(Enriched { user: signup.user, options });
    }
    serde_json::to_writer(stdout().lock(), &enriched)?;
    Ok(())
}

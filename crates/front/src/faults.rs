//! Faults for the tests of clients: a probability per operation of being throttled, of failing, of taking long.
//!
//! A fault comes before the operation, so that what was failed has not happened: nothing of it is stored. What fails is
//! drawn from a seed by how many requests a rule has seen, so that the same requests in the same order meet the same faults.

use crate::caps;
use millstream_api_kinesis::{Error as KinesisError, ErrorCode, Operation};
use millstream_api_lambda::{
    Error as LambdaError, ErrorCode as LambdaErrorCode, Operation as LambdaOperation,
};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Refused as if the client asked for too much.
    Throttle,
    /// Some records of PutRecords are refused, each by its own chance; the others are stored.
    ThrottleRecords,
    /// The server's fault.
    Error,
    Latency(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Kinesis,
    Lambda,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kinesis => "kinesis",
            Self::Lambda => "lambda",
        }
    }
}

/// One `--fault`: an operation (or all), what goes wrong, and how often. `PutRecords=throttle:0.1`,
/// `*=latency:200ms:0.5`, `lambda:TagResource=error:1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    text: String,
    service: Option<Service>,
    /// `None` is every operation.
    operation: Option<String>,
    kind: Kind,
    probability: f64,
}

impl Fault {
    fn is_for(&self, service: Service, operation: &str) -> bool {
        self.service.is_none_or(|wanted| wanted == service)
            && self.operation.as_deref().is_none_or(|wanted| wanted == operation)
    }
}

const FORM: &str = "write OPERATION=throttle:P, OPERATION=error:P, OPERATION=latency:TIME:P or PutRecords=throttle-records:P, \
                    where OPERATION is a name such as PutRecords or * for all, TIME is such as 200ms or 2s, and P is a \
                    probability from 0 to 1";

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |what: &str| format!("{text:?} is no fault: {what}; {FORM}");
        let (target, what) = text.split_once('=').ok_or_else(|| bad("there is no ="))?;
        let (service, operation) = match target.split_once(':') {
            None => (None, target),
            Some(("kinesis", operation)) => (Some(Service::Kinesis), operation),
            Some(("lambda", operation)) => (Some(Service::Lambda), operation),
            Some((other, _)) => return Err(bad(&format!("{other:?} is not kinesis or lambda"))),
        };
        let is_of = |wanted| service.is_none_or(|service| service == wanted);
        let known = operation == "*"
            || (is_of(Service::Kinesis) && Operation::from_name(operation).is_some())
            || (is_of(Service::Lambda) && LambdaOperation::from_name(operation).is_some());
        if !known {
            return Err(bad(&format!("there is no operation {operation:?}")));
        }
        let (kind, rest) = what.split_once(':').unwrap_or((what, ""));
        let (kind, probability) = match kind {
            "throttle" => (Kind::Throttle, rest),
            "error" => (Kind::Error, rest),
            "throttle-records" if operation == Operation::PutRecords.name() => (Kind::ThrottleRecords, rest),
            "throttle-records" => return Err(bad("only PutRecords has records that fail by themselves")),
            "latency" => {
                let (time, probability) = rest.split_once(':').unwrap_or((rest, "1"));
                let time = duration(time).filter(|time| *time <= caps::FAULT_LATENCY);
                let most = caps::FAULT_LATENCY.as_secs();
                let time = time.ok_or_else(|| bad(&format!("a latency is a time of up to {most}s")))?;
                (Kind::Latency(time), probability)
            }
            other => {
                return Err(bad(&format!("{other:?} is not throttle, throttle-records, error or latency")));
            }
        };
        let probability = probability.parse().ok().filter(|p| (0.0..=1.0).contains(p));
        let probability = probability.ok_or_else(|| bad("the probability is not a number from 0 to 1"))?;
        let operation = (operation != "*").then(|| operation.to_owned());
        Ok(Self { text: text.to_owned(), service, operation, kind, probability })
    }
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

/// A fault that is set, and how often it was considered.
#[derive(Debug)]
struct Rule {
    fault: Fault,
    chance: Chance,
}

/// A row of draws that its seed decides.
#[derive(Debug)]
struct Chance {
    seed: u64,
    drawn: AtomicU64,
}

impl Chance {
    fn happens(&self, probability: f64) -> bool {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        // 53 bits: what a float from 0 to 1 can tell apart.
        let draw = mixed(self.seed ^ mixed(number)) >> 11;
        #[expect(clippy::cast_precision_loss, reason = "both fit into the 53 bits of a float")]
        let draw = draw as f64 / (1_u64 << 53) as f64;
        draw < probability
    }
}

/// SplitMix64's finalizer: every bit of the input changes half of the output's.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The faults of a server. They can be changed while it runs.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    rules: RwLock<Arc<[Rule]>>,
}

/// What is to happen to a request.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    pub(crate) latency: Duration,
    pub(crate) outcome: Option<Outcome>,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Throttled,
    Failed,
    /// Ask it for each record.
    RecordsThrottled(RecordFaults),
}

impl Outcome {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Throttled => "throttle",
            Self::Failed => "error",
            Self::RecordsThrottled(_) => "throttle-records",
        }
    }
}

/// Which records of a PutRecords are refused.
#[derive(Debug)]
pub(crate) struct RecordFaults {
    rules: Arc<[Rule]>,
    rule: usize,
}

impl RecordFaults {
    pub(crate) fn next_fails(&self) -> bool {
        self.rules.get(self.rule).is_some_and(|rule| rule.chance.happens(rule.fault.probability))
    }
}

impl Faults {
    /// # Errors
    /// If there are too many.
    pub fn new(faults: Vec<Fault>, seed: u64) -> Result<Self, String> {
        let made = Self { seed, rules: RwLock::new(Arc::new([])) };
        made.set(faults)?;
        Ok(made)
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Have these from now on, and draw from the seed's beginning.
    fn set(&self, faults: Vec<Fault>) -> Result<(), String> {
        if faults.len() > caps::FAULTS {
            return Err(format!("there can be {} faults at most", caps::FAULTS));
        }
        let rule = |(number, fault): (u64, Fault)| Rule {
            fault,
            chance: Chance { seed: mixed(self.seed ^ number), drawn: AtomicU64::new(0) },
        };
        let rules: Vec<Rule> = (0..).zip(faults).map(rule).collect();
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules.into();
        Ok(())
    }

    /// From text with one fault a line, as an operator sends it.
    pub(crate) fn set_from(&self, text: &str) -> Result<(), String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        // The check of their number comes first: a long text is not worth reading.
        let faults: Result<Vec<Fault>, String> = lines.take(caps::FAULTS + 1).map(str::parse).collect();
        self.set(faults?)?;
        tracing::warn!(faults = self.describe(), "the faults of this server were changed");
        Ok(())
    }

    /// The faults that are set, as they were written, one a line.
    pub(crate) fn text(&self) -> String {
        self.rules().iter().fold(String::new(), |text, rule| text + &rule.fault.text + "\n")
    }

    /// In one line.
    pub fn describe(&self) -> String {
        let rules = self.rules();
        let texts: Vec<&str> = rules.iter().map(|rule| rule.fault.text.as_str()).collect();
        if texts.is_empty() { "none for now".to_owned() } else { texts.join(", ") }
    }

    fn rules(&self) -> Arc<[Rule]> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What happens to the next request for an operation. Latencies add up; of the rest, the first that strikes counts.
    pub(crate) fn draw(&self, service: Service, operation: &str) -> Drawn {
        let rules = self.rules();
        let mut drawn = Drawn::default();
        for (number, rule) in rules.iter().enumerate() {
            if !rule.fault.is_for(service, operation) {
                continue;
            }
            // Drawn also where another has struck already: what one rule does must not shift the others.
            let outcome = match rule.fault.kind {
                Kind::ThrottleRecords => {
                    Some(Outcome::RecordsThrottled(RecordFaults { rules: rules.clone(), rule: number }))
                }
                _ if !rule.chance.happens(rule.fault.probability) => None,
                Kind::Throttle => Some(Outcome::Throttled),
                Kind::Error => Some(Outcome::Failed),
                Kind::Latency(time) => {
                    drawn.latency = (drawn.latency + time).min(caps::FAULT_LATENCY);
                    None
                }
            };
            drawn.outcome = drawn.outcome.or(outcome);
        }
        if drawn.outcome.is_some() || !drawn.latency.is_zero() {
            tracing::debug!(service = service.name(), operation, ?drawn.latency, "a fault is injected");
        }
        drawn
    }
}

pub(crate) const THROTTLED: &str =
    "Rate exceeded: a fault that this server was told to inject. Nothing of this request was done.";
const FAILED: &str =
    "Internal failure: a fault that this server was told to inject. Nothing of this request was done.";

/// As AWS throttles each operation, by its model.
pub(crate) fn kinesis_throttle(operation: Operation) -> KinesisError {
    use Operation as Op;
    let code = match operation {
        Op::PutRecord | Op::PutRecords | Op::GetRecords | Op::GetShardIterator => {
            ErrorCode::ProvisionedThroughputExceededException
        }
        other if other.name().contains("Queue") || other.name().contains("Channel") => {
            ErrorCode::ThrottlingException
        }
        _ => ErrorCode::LimitExceededException,
    };
    KinesisError::new(code, THROTTLED)
}

pub(crate) fn kinesis_failure() -> KinesisError {
    KinesisError::new(ErrorCode::InternalFailure, FAILED)
}

pub(crate) fn lambda_throttle() -> LambdaError {
    LambdaError::new(LambdaErrorCode::TooManyRequestsException, THROTTLED)
}

pub(crate) fn lambda_failure() -> LambdaError {
    LambdaError::new(LambdaErrorCode::ServiceException, FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_shapes::ErrorName;

    fn faults(texts: &[&str], seed: u64) -> Faults {
        Faults::new(texts.iter().map(|text| text.parse().unwrap()).collect(), seed).unwrap()
    }

    fn row(faults: &Faults, operation: &str) -> String {
        let letter = |drawn: Drawn| match drawn.outcome {
            None => '.',
            Some(Outcome::Throttled) => 't',
            Some(Outcome::Failed) => 'e',
            Some(Outcome::RecordsThrottled(_)) => 'r',
        };
        (0..200).map(|_| letter(faults.draw(Service::Kinesis, operation))).collect()
    }

    #[test]
    fn a_seed_repeats_its_faults_and_another_does_not() {
        let all = ["PutRecord=throttle:0.3", "*=error:0.3"];
        let first = row(&faults(&all, 7), "PutRecord");
        assert_eq!(first, row(&faults(&all, 7), "PutRecord"));
        assert_ne!(first, row(&faults(&all, 8), "PutRecord"));
        let count = |letter| first.chars().filter(|c| *c == letter).count();
        assert!((30..=90).contains(&count('t')) && (15..=75).contains(&count('e')), "{first}");
        let mixed = faults(&all[..1], 7);
        row(&mixed, "GetRecords");
        let throttles = |row: &str| row.replace('e', ".");
        assert_eq!(row(&mixed, "PutRecord"), throttles(&first), "other operations shift nothing");
    }

    #[test]
    fn a_rule_is_for_its_operation_and_service() {
        let of = faults(&["lambda:TagResource=error:1", "PutRecords=throttle:1"], 1);
        assert!(of.draw(Service::Kinesis, "TagResource").outcome.is_none());
        assert!(matches!(of.draw(Service::Lambda, "TagResource").outcome, Some(Outcome::Failed)));
        assert!(matches!(of.draw(Service::Kinesis, "PutRecords").outcome, Some(Outcome::Throttled)));
        assert!(row(&faults(&["*=throttle:0", "*=error:0"], 1), "PutRecord").chars().all(|c| c == '.'));
        assert!(row(&faults(&["*=error:1", "*=throttle:1"], 1), "PutRecord").chars().all(|c| c == 'e'));
        let slow = faults(&["*=latency:200ms", "*=latency:2s:1", "*=latency:60s:1"], 1);
        assert_eq!(slow.draw(Service::Kinesis, "ListStreams").latency, caps::FAULT_LATENCY, "only so long");
    }

    #[test]
    fn what_is_no_fault_says_how_to_write_one() {
        for bad in [
            "",
            "PutRecords",
            "PutRecords=",
            "PutRecords=throttle",
            "PutRecords=throttle:2",
            "PutRecords=throttle:NaN",
            "PutRecords=throttle:-0.1",
            "PutRecord=throttle-records:0.1",
            "PutRecords=lightning:1",
            "Nothing=error:1",
            "kinesis:Invoke=error:1",
            "s3:PutRecords=error:1",
            "*=latency:1",
            "*=latency:1h:1",
            "*=latency:99999999s:1",
        ] {
            let error = bad.parse::<Fault>().unwrap_err();
            assert!(error.contains("OPERATION=throttle:P"), "{bad}: {error}");
        }
        for good in
            ["PutRecords=throttle-records:0.5", "lambda:*=error:1", "Invoke=error:0.25", "*=latency:5ms:0.1"]
        {
            assert!(good.parse::<Fault>().is_ok(), "{good}");
        }
    }

    #[test]
    fn each_operation_is_throttled_in_its_own_words() {
        let code = |operation| kinesis_throttle(operation).code;
        assert_eq!(code(Operation::GetRecords), ErrorCode::ProvisionedThroughputExceededException);
        assert_eq!(code(Operation::ListShards), ErrorCode::LimitExceededException);
        assert_eq!(code(Operation::ReceiveQueueRecords), ErrorCode::ThrottlingException);
        assert!(Operation::ALL.into_iter().all(|operation| kinesis_throttle(operation).code.status() == 400));
        assert_eq!(kinesis_failure().code.status(), 500);
        assert_eq!((lambda_throttle().code.status(), lambda_failure().code.status()), (429, 500));
    }

    #[test]
    fn they_can_be_changed_and_there_cannot_be_many() {
        let of = faults(&["*=error:1"], 1);
        of.set_from("\n PutRecord=throttle:0.5 \n").unwrap();
        assert_eq!(of.text(), "PutRecord=throttle:0.5\n");
        assert!(of.set_from("nonsense").is_err());
        assert!(of.set_from(&"*=error:1\n".repeat(caps::FAULTS + 1)).unwrap_err().contains("at most"));
        assert_eq!(of.describe(), "PutRecord=throttle:0.5", "what is wrong changes nothing");
        of.set_from("").unwrap();
        assert_eq!(of.describe(), "none for now");
    }
}

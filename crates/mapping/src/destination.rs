//! Where it is told that records are given up.

use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;

/// What is to be told, to whom.
#[derive(Clone, Debug, Default)]
pub struct Letter {
    /// The destination's ARN, of a service other than Kinesis.
    pub arn: String,
    /// JSON.
    pub body: Bytes,
    /// What it is stored under, where things are stored under names.
    pub key: String,
    /// What stands beside the body, where messages have attributes.
    pub attributes: Vec<Attribute>,
    /// What it is about, where things are told as events.
    pub subject: Subject,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: String,
    pub kind: AttributeKind,
    pub value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    String,
    Number,
}

impl AttributeKind {
    /// As SQS and SNS name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Number => "Number",
        }
    }
}

/// What EventBridge is told of an event beside its detail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    pub detail_type: String,
    /// ARNs.
    pub resources: Vec<String>,
}

/// The services outside this server that can be told. A stream of this server needs no such way.
#[async_trait]
pub trait Destinations: Debug + Send + Sync + 'static {
    /// Whether letters can be sent there, as far as is known without sending one.
    ///
    /// # Errors
    /// Why not, in words for the user.
    fn check(&self, arn: &str) -> Result<(), String>;

    /// Send one, and wait until it is taken.
    ///
    /// # Errors
    /// What went wrong. It may have been taken all the same.
    async fn send(&self, letter: &Letter) -> Result<(), String>;
}

/// None but streams.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDestinations;

#[async_trait]
impl Destinations for NoDestinations {
    fn check(&self, arn: &str) -> Result<(), String> {
        Err(format!("This server can send nothing to {arn}."))
    }

    async fn send(&self, letter: &Letter) -> Result<(), String> {
        self.check(&letter.arn)
    }
}

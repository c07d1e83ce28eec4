//! The founding example: an internet provider whose sign-ups come from all over the world.
//!
//! Sign-ups are put into the Kinesis stream `signups`. A Lambda function with a layer (the bandwidth catalogue)
//! answers each of them on the stream `bandwidth-offers`, which this application reads by enhanced fan-out. The
//! application measures the time from put to offer, counts what was lost or came twice, and shows it on a page.
//!
//! It talks to its endpoint only over the network, with the official AWS SDK crates: whatever speaks the protocols
//! of Kinesis and Lambda will do, AWS included. See `README.md` beside this crate.

mod app;
mod bundle;
pub mod caps;
mod clients;
mod clock;
mod config;
mod error;
mod feed;
mod generator;
mod history;
mod id;
mod names;
mod offer;
mod places;
mod put;
mod reader;
mod report;
mod rng;
mod setup;
mod sign_up;
mod tracker;
mod web;

pub use app::{run_headless, run_page};
pub use config::{Config, ConfigError};
pub use error::Error;
pub use report::Report;
pub use setup::{Deployed, find, setup, teardown};

/// Called with one short line (no newline) for each step of a longer job.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The stream that sign-ups are put into.
pub const SIGN_UPS_STREAM: &str = "signups";
/// The stream that the function writes its offers to.
pub const OFFERS_STREAM: &str = "bandwidth-offers";
/// The function that turns sign-ups into offers.
pub const FUNCTION: &str = "enrich-signup";
/// The layer with the bandwidth catalogue and the table of places.
pub const LAYER: &str = "bandwidth-catalogue";
/// The registered stream consumer by which the application reads the offers.
pub const CONSUMER: &str = "internet-provider";

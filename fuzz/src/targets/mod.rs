//! The targets, one decoder each.

mod code;
mod control;
mod directory;
mod event_stream;
mod log;
mod names;
mod repair;
mod requests;
mod sample;
mod scan;
mod security;
mod service;

use crate::{Scope, Target};

/// What most decoders may take: nothing worth mentioning, and some times the input.
const SMALL: (usize, usize) = (64 << 10, 16);

/// All of them.
pub const TARGETS: &[Target] = &[
    log::WAL_FILE_HEADER,
    log::WAL_GROUP,
    log::WAL_ENTRIES,
    log::SEGMENT_FRAME,
    log::SEGMENT,
    log::CHECKPOINT,
    log::FORMAT,
    directory::DATA_DIRECTORY,
    control::CONTROL_RECORD,
    control::CONTROL_SNAPSHOT,
    control::CONTROL_LOG,
    service::STORED_RECORD,
    service::TOKENS,
    code::CODE_ZIP,
    code::CODE_STORE,
    sample::JSON,
    sample::CBOR,
    requests::REQUESTS,
    requests::REST,
    event_stream::EVENT_STREAM,
    names::NAMES,
    security::POLICIES,
    security::SIGNATURES,
];

/// What a target has unless it says otherwise.
const PLAIN: Target = Target {
    name: "",
    about: "",
    seeds: Vec::new,
    repair: None,
    check: |_| crate::Verdict::Refused,
    longest: 64 << 10,
    memory: SMALL,
    scope: Scope::Thread,
    tries: 20_000,
};

//! The tests of Lambda's operations, over both versions of HTTP; and which operations and errors they reach.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::duplicate_mod,
    reason = "each file of tests has its own `common`, as where it is a program"
)]

#[path = "../../lambda/tests/concurrency.rs"]
mod concurrency;
#[path = "../../lambda/tests/delivery.rs"]
mod delivery;
#[path = "../../lambda/tests/elsewhere.rs"]
mod elsewhere;
#[path = "../../lambda/tests/event_invoke.rs"]
mod event_invoke;
#[path = "../../lambda/tests/functions.rs"]
mod functions;
#[path = "../../lambda/tests/layers.rs"]
mod layers;
#[path = "../../lambda/tests/mappings.rs"]
mod mappings;
#[path = "../../lambda/tests/policies.rs"]
mod policies;
#[path = "../../lambda/tests/urls.rs"]
mod urls;
#[path = "../../lambda/tests/versions.rs"]
mod versions;

#[path = "lambda/reached.rs"]
mod reached;

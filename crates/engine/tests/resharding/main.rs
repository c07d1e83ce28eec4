//! Resharding: nothing acknowledged is lost, doubled or reordered per key, whatever is under way, and a crash at any point
//! is made good after the restart.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crashes;
mod expiry;
mod held_log;
mod interleavings;
mod late_appends;
mod scaling;
mod under_load;
mod world;

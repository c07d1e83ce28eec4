//! Event source mappings on a real control node and engine, over a log in memory, with functions that follow a script.
//! Tokio's time is paused, so that pauses cost nothing and depend on nothing.

mod aggregated;
mod delivery;
mod fan_out;
mod give_up;
mod letters;
mod lifecycle;
mod model;
mod parallel;
mod resharding;
mod retry;
mod script;
mod shards;
mod slow_log;
mod windows;
mod world;

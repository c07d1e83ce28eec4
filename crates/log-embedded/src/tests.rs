//! Tests that drive the writer by hand, so that a seed decides every operation of the disk.

mod decoding;
mod failed_flushes;
mod faults;
mod fixture;
mod flushing;
mod golden;
mod hooked;
mod in_flight;
mod model;
mod reads;
mod recovery;
mod repair;
mod room;
mod rot;
mod rotation;

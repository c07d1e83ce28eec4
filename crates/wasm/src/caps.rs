//! Every limit of this crate that a component can run into.

use std::time::Duration;

/// Compiled components kept in memory, those used last.
pub const PROGRAMS: usize = 256;
/// Largest component, in bytes.
pub const COMPONENT_BYTES: usize = 64 * 1024 * 1024;
/// Compiled components on disk together, in bytes; beyond, those used longest ago go.
pub const COMPILED_BYTES: u64 = 1024 * 1024 * 1024;
/// Compiled components on disk.
pub const COMPILED_FILES: u64 = 4_096;
/// Fuel for each second that a call may take. A unit is about one WebAssembly instruction, of which no core does as many
/// in a second: a call runs out of time before it runs out of fuel, unless its clock was stopped with the machine.
pub const FUEL_PER_SECOND: u64 = 8_000_000_000;
/// A call lets its thread look at the clock each time it has used this much fuel, which takes about a millisecond.
pub const FUEL_BETWEEN_LOOKS: u64 = 1_000_000;
/// What a component may write to its log in one piece, in bytes.
pub const LOG_PIECE: usize = 64 * 1024;
/// Memories, tables and instances of one component.
pub const MEMORIES: usize = 16;
pub const TABLES: usize = 64;
pub const INSTANCES: usize = 64;
/// Elements of its tables together.
pub const TABLE_ELEMENTS: usize = 1_000_000;
/// Stack of a component, in bytes.
pub const STACK_BYTES: usize = 1024 * 1024;
/// Stack of a call with the host's functions above the component's, in bytes.
pub const CALL_STACK_BYTES: usize = 2 * 1024 * 1024;
/// Random bytes that a component may ask for at once.
pub const RANDOM_BYTES: u64 = 1024 * 1024;
/// What a call without a limit of its own gets.
pub const LONGEST_CALL: Duration = Duration::from_mins(15);

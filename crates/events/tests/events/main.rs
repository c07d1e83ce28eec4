//! Asynchronous invocations on a real control node and log, with functions and destinations that do as a test says. Time is
//! simulated.

mod cleaning;
mod delivery;
mod limits;
mod model;
mod mortal_log;
mod restarts;
mod telling;
mod unreadable;
mod world;

//! What CloudWatch would show of streams and shards.
//!
//! A call looks its stream's meter up once and adds to plain atomics; nothing is done for each record. There are at most as
//! many meters as streams, and as many of shards as monitored shards.

mod call;
mod openmetrics;
mod queues;
mod stream;
mod values;

pub(crate) use call::{Call, Metered};
pub use stream::{OperationMeter, ShardMeter, StreamMeter};
pub use values::{Counter, Greatest, Samples};

use crate::Kinesis;
use millstream_control::{State, Stream};
use millstream_control_node::ControlHandle;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The meters of all streams that were used since the server started.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    /// By the streams' keys.
    streams: RwLock<HashMap<String, Arc<StreamMeter>>>,
}

impl Meters {
    pub(crate) fn of(&self, stream: &Stream, control: &ControlHandle) -> Arc<StreamMeter> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = streams.get(&stream.name).filter(|found| found.is_of(stream)) {
            return found.clone();
        }
        drop(streams);
        let state = control.state();
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        // Those of deleted streams go when metrics are read. Where nobody reads them, they go here.
        if streams.len() >= 2 * state.streams.len() {
            retain(&mut streams, &state);
        }
        let found = streams.get(&stream.name).filter(|found| found.is_of(stream));
        let meter = found.cloned().unwrap_or_else(|| Arc::new(StreamMeter::new(stream)));
        streams.insert(stream.name.clone(), meter.clone());
        meter
    }
}

fn retain(streams: &mut HashMap<String, Arc<StreamMeter>>, state: &State) {
    streams.retain(|key, meter| state.streams.get(key).is_some_and(|stream| meter.is_of(stream)));
}

impl Kinesis {
    /// The streams that there are, with what was measured of them since the server started, by key.
    pub fn meters(&self) -> Vec<(Arc<Stream>, Arc<StreamMeter>)> {
        let state = self.control().state();
        let mut streams = self.meters.streams.write().unwrap_or_else(PoisonError::into_inner);
        retain(&mut streams, &state);
        let found = state.streams.values();
        found.filter_map(|stream| Some((stream.clone(), streams.get(&stream.name)?.clone()))).collect()
    }

    /// What [`Greatest`] calls now.
    pub fn minute(&self) -> u64 {
        self.engine.clock().monotonic().as_secs() / 60
    }
}

use crate::board::Board;
use crate::supervisor::{Context, Supervisor};
use crate::{Destinations, Invoker, LaneStatus, results};
use millstream_engine::Engine;
use millstream_functions::Functions;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// What event source mappings need.
#[derive(Debug)]
pub struct Options<I = Functions> {
    pub engine: Engine,
    pub functions: I,
    /// Where it is told that records are given up, beside streams.
    pub destinations: Arc<dyn Destinations>,
}

/// All event source mappings of the server. Cheap to clone; they stop when the last handle is dropped, or at
/// [`Mappings::shutdown`].
#[derive(Clone, Debug)]
pub struct Mappings {
    engine: Engine,
    board: Arc<Board>,
    destinations: Arc<dyn Destinations>,
    /// Set to ask for the end; closed when it has come.
    stop: Arc<watch::Sender<bool>>,
}

impl Mappings {
    /// Start to follow the control state. Call within a Tokio runtime.
    pub fn start<I: Invoker>(options: Options<I>) -> Self {
        let Options { engine, functions, destinations } = options;
        let board = Arc::new(Board::default());
        let (stop, stopped) = watch::channel(false);
        // Capped by what a semaphore can count, which is more than there can be workers.
        let turns = functions.limit().clamp(1, Semaphore::MAX_PERMITS);
        let context = Context {
            engine: engine.clone(),
            invoker: functions,
            turns: Arc::new(Semaphore::new(turns)),
            board: board.clone(),
            destinations: destinations.clone(),
        };
        tokio::spawn(results::keep(board.clone(), engine.control().clone(), stopped.clone()));
        tokio::spawn(Supervisor::new(context, stopped).run());
        Self { engine, board, destinations, stop: Arc::new(stop) }
    }

    /// What can be told that records are given up, beside streams.
    pub fn destinations(&self) -> &dyn Destinations {
        &*self.destinations
    }

    /// A mapping's `LastProcessingResult`; `None` if there is no such mapping.
    pub fn last_result(&self, uuid: &str) -> Option<String> {
        self.board.result(uuid)
    }

    /// What each lane does right now.
    pub fn statuses(&self) -> Vec<LaneStatus> {
        self.board.statuses(self.engine.now())
    }

    /// Stop all lanes: wait a few seconds for invocations under way and for the last checkpoints, then give up what is left.
    /// What is given up runs again after the next start. Call it before the functions are shut down.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        self.stop.closed().await;
        results::write(&self.board, self.engine.control()).await;
    }
}

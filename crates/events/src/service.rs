use crate::board::{Board, Measures};
use crate::caps;
use crate::dispatcher::Dispatcher;
use crate::entry::{Entry, Whole};
use crate::event::Event;
use crate::journal::{Journal, JournalError};
use crate::table::{Full, Table};
use bytes::Bytes;
use millstream_control::OpenEventJournal;
use millstream_control_node::SubmitError;
use millstream_engine::Engine;
use millstream_functions::Functions;
use millstream_log::{AppendError, Outcome, RetentionClass};
use millstream_mapping::{Destinations, Invoker};
use millstream_types::Home;
use std::sync::Arc;
use tokio::sync::{Notify, OnceCell, watch};

/// What asynchronous invocations need.
#[derive(Debug)]
pub struct Options<I = Functions> {
    pub engine: Engine,
    pub functions: I,
    /// Who is told of what became of events, beside streams and functions of this server.
    pub destinations: Arc<dyn Destinations>,
    pub home: Home,
}

/// The events of all asynchronous invocations of the server. Cheap to clone; deliveries stop when the last handle is dropped,
/// or at [`Events::shutdown`].
#[derive(Clone, Debug)]
pub struct Events {
    core: Arc<Core>,
    /// Set to ask for the end; closed when it has come.
    stop: Arc<watch::Sender<bool>>,
}

/// An event to be taken.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What the function sees as the id of its request, at each attempt.
    pub request_id: String,
    /// The function's key, and its own ARN.
    pub function: String,
    pub arn: String,
    /// The version or alias that was named.
    pub qualifier: Option<String>,
    /// JSON; checked by the caller.
    pub payload: Bytes,
    pub trace_id: Option<String>,
}

/// Why an event was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("as many events wait for the function as may")]
    FunctionFull,
    #[error("as many events wait on this server as may")]
    ServerFull,
    /// It was not taken, and nothing will come of it.
    #[error("the event could not be written down: {0}")]
    NotDone(String),
    /// It may have been taken.
    #[error("it is not known whether the event was written down: {0}")]
    Unknown(String),
}

/// What waits, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub events: u64,
    /// On disk.
    pub bytes: u64,
}

/// What the deliveries share with those who bring events.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) engine: Engine,
    pub(crate) destinations: Arc<dyn Destinations>,
    pub(crate) home: Home,
    pub(crate) table: Table,
    pub(crate) board: Board,
    journal: OnceCell<Journal>,
    /// Something came that may be due.
    pub(crate) news: Notify,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Events {
    /// Begin to deliver what waits. Call within a Tokio runtime.
    pub fn start<I: Invoker>(options: Options<I>) -> Self {
        let Options { engine, functions, destinations, home } = options;
        let core = Arc::new(Core {
            engine,
            destinations,
            home,
            table: Table::default(),
            board: Board::default(),
            journal: OnceCell::new(),
            news: Notify::new(),
        });
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(Dispatcher::new(core.clone(), functions, stopped).run());
        Self { core, stop: Arc::new(stop) }
    }

    /// Take an event. It is durable when this returns, also if the caller does not wait for that.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn accept(&self, event: NewEvent) -> Result<(), Refused> {
        let core = self.core.clone();
        let taken = tokio::spawn(async move { core.accept(event).await }).await;
        taken.unwrap_or_else(|error| Err(Refused::Unknown(error.to_string())))
    }

    /// What is measured, by function.
    pub fn measures(&self) -> Vec<Measures> {
        self.core.board.measures(self.core.engine.now())
    }

    pub fn waiting(&self) -> Waiting {
        let usage = self.core.table.usage();
        Waiting { events: usage.events as u64, bytes: usage.bytes }
    }

    /// Begin nothing more; wait a few seconds for what is under way, then give it up. What is given up runs again after the
    /// next start. Call it before the functions are shut down.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        self.stop.closed().await;
    }
}

impl Core {
    /// The journal, made if there is none.
    pub(crate) async fn journal(&self) -> Result<&Journal, OpenError> {
        self.journal.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Journal, OpenError> {
        let control = self.engine.control();
        let shard = match control.state().event_journal {
            Some(shard) => shard,
            None => control.submit(OpenEventJournal {}).await?,
        };
        let log = self.engine.log();
        // What lies there is gone within hours, so it is kept apart from what stays.
        log.create(shard, RetentionClass::Hours(24)).await?;
        let (journal, restored) = Journal::open(log.clone(), shard).await?;
        let events = restored.events.len();
        self.table.restore(restored);
        if events > 0 {
            tracing::info!(events, "events of asynchronous invocations wait from before");
        }
        self.news.notify_one();
        Ok(journal)
    }

    pub(crate) async fn accept(&self, new: NewEvent) -> Result<(), Refused> {
        let journal = self.journal().await.map_err(|error| Refused::NotDone(error.to_string()))?;
        let now = self.engine.now();
        let event = Event {
            id: self.table.new_id(),
            request: new.request_id,
            function: new.function,
            arn: new.arn,
            qualifier: new.qualifier,
            accepted: now,
            trace: new.trace_id,
        };
        let whole = Whole {
            event: event.clone(),
            failed: 0,
            due: now,
            outcome: None,
            payload: new.payload,
            response: Bytes::new(),
        };
        let record =
            Entry::Whole(Box::new(whole)).encode().map_err(|error| Refused::NotDone(error.to_string()))?;
        let bytes = record.len() as u64;
        let room = self.table.reserve(&event.function, bytes).map_err(|full| match full {
            Full::Function => Refused::FunctionFull,
            Full::Server => Refused::ServerFull,
        })?;
        match journal.append(&[record], now).await {
            Ok(position) => {
                self.board.received(&event.function, &event.arn);
                self.table.insert(event, position, &room);
                self.news.notify_one();
                Ok(())
            }
            Err(error) => {
                self.table.give_back(&event.function, &room);
                Err(match error.outcome() {
                    Outcome::NotDone => Refused::NotDone(error.to_string()),
                    Outcome::Unknown => Refused::Unknown(error.to_string()),
                })
            }
        }
    }

    /// Write an entry down, however often it takes. `None` if the log has stopped: then nothing may be built on it.
    pub(crate) async fn note(&self, entry: &Entry) -> Option<(millstream_types::Position, u64)> {
        let record = match entry.encode() {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(%error, "an event's progress could not be encoded");
                return None;
            }
        };
        let bytes = record.len() as u64;
        let records = [record];
        loop {
            let journal = self.journal().await.ok()?;
            match journal.append(&records, self.engine.now()).await {
                Ok(position) => return Some((position, bytes)),
                Err(error) if error.outcome() == Outcome::NotDone && self.engine.stopped().is_none() => {
                    tracing::warn!(%error, "an event's progress could not be written down; trying again");
                    tokio::time::sleep(caps::RETRY).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "an event's progress was not written down; it may be run again");
                    return None;
                }
            }
        }
    }

    /// Nothing is left to be done with an event that ran or was told of.
    pub(crate) async fn done(&self, id: u64) {
        if let Some((position, bytes)) = self.note(&Entry::Done(vec![id])).await {
            self.table.written(position, bytes);
            self.table.done(id);
        }
    }
}

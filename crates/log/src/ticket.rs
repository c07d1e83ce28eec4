use crate::AppendError;
use millstream_types::{LogShard, Position, Timestamp};
use tokio::sync::oneshot;

/// Where a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub shard: LogShard,
    /// The position of the batch's first record.
    pub first: Position,
    /// The batch's timestamp as stored.
    pub timestamp: Timestamp,
}

/// A promise about an admitted append. Dropping it changes nothing: the append goes on.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<Vec<Appended>, AppendError>>);

/// The log's end of a [`Ticket`].
#[derive(Debug)]
pub struct Completion(oneshot::Sender<Result<Vec<Appended>, AppendError>>);

pub fn ticket() -> (Completion, Ticket) {
    let (sender, receiver) = oneshot::channel();
    (Completion(sender), Ticket(receiver))
}

impl Completion {
    pub fn complete(self, result: Result<Vec<Appended>, AppendError>) {
        // The caller may have gone away, which is its right.
        drop(self.0.send(result));
    }
}

impl Ticket {
    /// Wait until the append is durable.
    ///
    /// # Errors
    /// `Unknown` if the log stopped first: the records may or may not be there after a restart.
    pub async fn durable(self) -> Result<Vec<Appended>, AppendError> {
        match self.0.await {
            Ok(result) => result,
            Err(gone) => Err(AppendError::Unknown(gone.to_string())),
        }
    }
}

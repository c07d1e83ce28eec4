use millstream_types::Position;
use tokio::sync::watch;

/// The log's end of a tail watch.
#[derive(Debug)]
pub struct TailSender(watch::Sender<Position>);

impl TailSender {
    pub fn new(tail: Position) -> Self {
        Self(watch::Sender::new(tail))
    }

    /// Move the tail forward; an older position is ignored.
    pub fn advance(&self, tail: Position) {
        self.0.send_if_modified(|current| {
            let forward = tail > *current;
            if forward {
                *current = tail;
            }
            forward
        });
    }

    pub fn current(&self) -> Position {
        *self.0.borrow()
    }

    pub fn watch(&self) -> TailWatch {
        TailWatch(self.0.subscribe())
    }
}

/// A level-triggered watch of a shard's durable tail: it says that there is more to read, never what. A follower that
/// falls behind costs nothing.
#[derive(Clone, Debug)]
pub struct TailWatch(watch::Receiver<Position>);

impl TailWatch {
    pub fn current(&self) -> Position {
        *self.0.borrow()
    }

    /// Wait until the tail is beyond `position`. `None` when the shard is gone.
    pub async fn beyond(&mut self, position: Position) -> Option<Position> {
        self.0.wait_for(|tail| *tail > position).await.ok().map(|tail| *tail)
    }
}

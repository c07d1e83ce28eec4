//! A destination that keeps what it is told, or does not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use async_trait::async_trait;
use millstream_mapping::{Destinations, Letter};
use serde_json::Value;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug, Default)]
pub(crate) struct Letters {
    taken: Arc<Mutex<Vec<Letter>>>,
    /// How many of the next letters are refused.
    refusals: Arc<AtomicU32>,
    /// Its sender was killed.
    is_dead: Arc<AtomicBool>,
}

impl Letters {
    pub(crate) fn refuse(&self, times: u32) {
        self.refusals.store(times, Ordering::SeqCst);
    }

    /// Take nothing any more, and give no answer.
    pub(crate) fn hang(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
    }

    /// The same destination for the next server.
    pub(crate) fn survivor(&self) -> Self {
        Self { is_dead: Arc::default(), ..self.clone() }
    }

    pub(crate) fn taken(&self) -> Vec<Letter> {
        self.taken.lock().unwrap().clone()
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.taken().iter().map(|letter| serde_json::from_slice(&letter.body).unwrap()).collect()
    }
}

#[async_trait]
impl Destinations for Letters {
    fn check(&self, _arn: &str) -> Result<(), String> {
        Ok(())
    }

    async fn send(&self, letter: &Letter) -> Result<(), String> {
        if self.is_dead.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        let left = self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() {
            return Err("out of stamps".into());
        }
        self.taken.lock().unwrap().push(letter.clone());
        Ok(())
    }
}

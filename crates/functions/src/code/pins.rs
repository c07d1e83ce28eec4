//! What must not be removed from the store although nothing may refer to it.

use super::CodeKey;
use crate::caps;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Held while code is removed, so that code is either pinned in time or gone.
#[derive(Debug, Default)]
pub(super) struct Pins {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// How many workers run a code.
    used: HashMap<CodeKey, usize>,
    /// When a code was uploaded last, on the monotonic clock.
    uploaded: HashMap<CodeKey, Duration>,
}

impl State {
    pub(super) fn holds(&self, key: &CodeKey, now: Duration) -> bool {
        self.used.contains_key(key) || self.uploaded.get(key).is_some_and(|&at| is_fresh(at, now))
    }
}

fn is_fresh(uploaded: Duration, now: Duration) -> bool {
    now.saturating_sub(uploaded) < caps::UPLOAD_GRACE
}

impl Pins {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keep what was just uploaded: what will refer to it is not written yet.
    pub(super) fn uploaded(&self, key: CodeKey, now: Duration) {
        let mut state = self.state();
        state.uploaded.retain(|_, at| is_fresh(*at, now));
        state.uploaded.insert(key, now);
    }

    pub(super) fn pin(self: &Arc<Self>, keys: Vec<CodeKey>) -> Pin {
        let mut state = self.state();
        for key in &keys {
            *state.used.entry(key.clone()).or_default() += 1;
        }
        drop(state);
        Pin { pins: Arc::clone(self), keys }
    }
}

/// Keeps some code in the store.
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Arc<Pins>,
    keys: Vec<CodeKey>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.pins.state();
        for key in &self.keys {
            if let Some(count) = state.used.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    state.used.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pins;
    use crate::caps;
    use crate::code::CodeKey;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn code_is_held_while_it_is_used_or_new() {
        let pins = Arc::new(Pins::default());
        let key: CodeKey = "0".repeat(64).parse().unwrap();
        let (start, late) = (Duration::ZERO, caps::UPLOAD_GRACE);
        assert!(!pins.state().holds(&key, start));
        pins.uploaded(key.clone(), start);
        assert!(pins.state().holds(&key, start) && !pins.state().holds(&key, late));
        let (one, two) = (pins.pin(vec![key.clone(), key.clone()]), pins.pin(vec![key.clone()]));
        drop(one);
        assert!(pins.state().holds(&key, late));
        drop(two);
        assert!(!pins.state().holds(&key, late));
    }
}

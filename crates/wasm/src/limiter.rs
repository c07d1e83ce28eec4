//! How much a component may have.

use crate::caps;
use wasmtime::ResourceLimiter;

/// Counts all memories of one component together.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    pub used: usize,
    /// It asked for more than it may have.
    pub over: bool,
    elements: usize,
}

impl Limiter {
    /// `limit`: bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, used: 0, over: false, elements: 0 }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            self.over = true;
            return Ok(false);
        }
        // Linear memory never shrinks, so this is the peak too.
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = self.elements.saturating_add(desired.saturating_sub(current));
        let fits = elements <= caps::TABLE_ELEMENTS;
        if fits {
            self.elements = elements;
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        caps::INSTANCES
    }

    fn tables(&self) -> usize {
        caps::TABLES
    }

    fn memories(&self) -> usize {
        caps::MEMORIES
    }
}

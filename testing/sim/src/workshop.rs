use anyhow::{Context, Result};
use millstream_functions::{CodeStore, Functions, Isolation, Options};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// The functions' service, which the server cannot be put together without. It lives outside of all simulations, in real
/// time, and is never called.
#[derive(Clone, Debug)]
pub struct Workshop {
    functions: Functions,
    runtime: Arc<Runtime>,
}

impl Workshop {
    /// # Errors
    /// If the system has no thread or no temporary directory for it.
    pub fn open() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        let code = CodeStore::temporary().context("cannot make a directory for function code")?;
        let options = Options { isolation: Isolation::Process, ..Options::default() };
        let functions =
            runtime.block_on(Functions::start(code, options)).context("cannot prepare functions")?;
        Ok(Self { functions, runtime: Arc::new(runtime) })
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Wait for something in real time; not on a thread that drives a runtime.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

use millstream_functions::{FunctionSpec, Functions, Invocation, InvokeError, InvokeReply};
use std::future::Future;
use std::sync::Arc;

/// What runs functions: [`Functions`], or a script in a test.
pub trait Invoker: Send + Sync + 'static {
    /// Run a function once and wait for its answer.
    fn invoke(
        &self,
        spec: Arc<FunctionSpec>,
        call: Invocation,
    ) -> impl Future<Output = Result<InvokeReply, InvokeError>> + Send;

    /// How many invocations can run at the same time. Lanes queue for their turn, first come first served.
    fn limit(&self) -> usize;
}

impl Invoker for Functions {
    fn invoke(
        &self,
        spec: Arc<FunctionSpec>,
        call: Invocation,
    ) -> impl Future<Output = Result<InvokeReply, InvokeError>> + Send {
        Self::invoke(self, spec, call)
    }

    fn limit(&self) -> usize {
        self.workers().limit
    }
}

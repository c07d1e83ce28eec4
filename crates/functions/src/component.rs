//! Functions that are WebAssembly components: they run in this process, each invocation in an instance of its own.

use crate::caps;
use crate::environment::{Places, points_home, variables};
use crate::launcher::Launcher;
use crate::options::WorkerCredentials;
use crate::outcome::{Exit, Outcome};
use crate::output::Output;
use crate::runtimes::Runtime;
use crate::sandbox::Network;
use crate::spec::{FunctionSpec, Invocation, InvokeError};
use bytes::Bytes;
use millstream_host::fs;
use millstream_wasm::{Call, Connect, End, Ended, Engine, Program};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Its name, unless the handler is the path of another.
const DEFAULT_FILE: &str = "bootstrap.wasm";
/// Variables that mean something to processes only.
const OF_PROCESSES: [&str; 6] =
    ["PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "NODE_PATH", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_RUNTIME_DIR"];

/// The engine, made when the first component is there.
#[derive(Debug)]
pub(crate) struct Components {
    compiled: Option<PathBuf>,
    engine: OnceLock<Result<Engine, String>>,
}

/// How a component ended, and the most memory it had, in MiB.
pub(crate) struct Done {
    pub outcome: Outcome,
    pub peak_mb: u32,
}

impl Components {
    pub(crate) fn new(compiled: Option<PathBuf>) -> Self {
        Self { compiled, engine: OnceLock::new() }
    }

    fn engine(&self) -> Result<&Engine, String> {
        let made = self.engine.get_or_init(|| {
            if let Some(directory) = &self.compiled {
                fs::create_dir_all(directory)
                    .and_then(|()| crate::files::set_mode(directory, 0o700))
                    .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
            }
            Engine::new(self.compiled.as_deref()).map_err(|error| error.to_string())
        });
        made.as_ref().map_err(Clone::clone)
    }
}

/// Where the component is in its package.
fn file_of(handler: &str) -> Result<&Path, String> {
    let named = Path::new(handler).extension().is_some_and(|extension| extension == "wasm");
    let file = Path::new(if named { handler } else { DEFAULT_FILE });
    let inside = file.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if inside { Ok(file) } else { Err(format!("The handler {handler} is not a path in the package.")) }
}

impl Launcher {
    /// Compile the function's component, unless it is. The error says what is wrong with it.
    pub(crate) async fn compile(self: &Arc<Self>, spec: &FunctionSpec) -> Result<Program, InvokeError> {
        let bad = |why: String| InvokeError::Component { why };
        let file = file_of(&spec.handler).map_err(bad)?.to_owned();
        let key = format!("{}/{}", spec.code, file.display());
        let task = self.code.materialize(&spec.code).await?;
        let launcher = Arc::clone(self);
        let compiling = tokio::task::spawn_blocking(move || {
            let engine = launcher.components.engine()?;
            if let Some(program) = engine.known(&key) {
                return Ok(program);
            }
            let shown = file.display();
            let bytes = fs::read(&task.join(&file)).map_err(|error| {
                format!("the package's {shown} cannot be read: {error}. Functions of {} are a component of that name, or of the one that the handler gives", Runtime::ProvidedWasm)
            })?;
            engine.compile(&key, &bytes).map_err(|why| format!("{shown} cannot be a function: {why}"))
        });
        let compiled = compiling.await.map_err(|error| bad(error.to_string()))?;
        compiled.map_err(bad)
    }

    /// Run one invocation.
    pub(crate) async fn call_component(
        self: &Arc<Self>,
        spec: &Arc<FunctionSpec>,
        program: Program,
        call: &Invocation,
        (log_stream, output): (&str, &Arc<Output>),
    ) -> Result<Done, InvokeError> {
        let mut keys = spec.layers.clone();
        keys.push(spec.code.clone());
        let _pin = self.code.pin(keys);
        let task = self.code.materialize(&spec.code).await?;
        let opt = self.code.materialize_layers(&spec.layers).await?;
        let session = self.options.credentials.open(spec);
        let within = Duration::from_secs(spec.timeout_secs.into());
        let call = Call {
            stdin: call.payload.clone(),
            env: self.component_variables(spec, session.as_ref(), call, log_stream),
            directories: vec![(task, "/var/task".to_owned()), (opt, "/opt".to_owned())],
            connect: self.reach(),
            memory: usize::try_from(spec.memory_mb).unwrap_or(usize::MAX).saturating_mul(1 << 20),
            stdout_limit: caps::MAX_PAYLOAD_BYTES,
            within,
            log: Arc::new(ToOutput(Arc::clone(output))),
        };
        // It computes without a pause, so it has a thread that nobody else waits for.
        let here = tokio::runtime::Handle::current();
        let ended = tokio::task::spawn_blocking(move || here.block_on(program.call(call))).await;
        drop(session);
        let Ended { end, stdout, peak } = ended.map_err(|error| {
            tracing::error!(%error, "the thread of a component failed");
            InvokeError::Lost
        })?;
        let peak_mb = u32::try_from(peak.div_ceil(1 << 20)).unwrap_or(u32::MAX);
        Ok(Done { outcome: outcome_of(end, stdout)?, peak_mb })
    }

    /// What of the network a component reaches.
    fn reach(&self) -> Connect {
        match self.options.network {
            Network::Host => return Connect::Anywhere,
            Network::None => return Connect::Nowhere,
            Network::EndpointOnly => {}
        }
        match self.options.endpoint_address() {
            Some(address) => Connect::Only(vec![address]),
            None => Connect::Nowhere,
        }
    }

    /// Those of every function, and those that a process would get as headers of the Runtime API.
    fn component_variables(
        &self,
        spec: &FunctionSpec,
        session: Option<&WorkerCredentials>,
        call: &Invocation,
        log_stream: &str,
    ) -> Vec<(String, String)> {
        let places = Places { task: "/var/task".into(), opt: "/opt".into(), runtime: String::new() };
        let signs = session.map(|session| &session.credentials);
        let mut all = variables(spec, &self.options, &places, "", (log_stream, signs));
        all.retain(|(name, _)| !OF_PROCESSES.contains(&name.as_str()));
        if self.options.network == Network::None {
            all.retain(|variable| !points_home(variable, &self.options));
        }
        let left = u64::from(spec.timeout_secs) * 1_000;
        let deadline = self.options.clock.now().plus_millis(left).millis();
        let mut add = |name: &str, value: String| all.push((name.to_owned(), value));
        add("LAMBDA_RUNTIME_AWS_REQUEST_ID", call.request_id.clone());
        add("LAMBDA_RUNTIME_DEADLINE_MS", deadline.to_string());
        add("LAMBDA_RUNTIME_INVOKED_FUNCTION_ARN", spec.arn.clone());
        if let Some(trace_id) = &call.trace_id {
            add("_X_AMZN_TRACE_ID", trace_id.clone());
        }
        if let Some(context) = &call.client_context {
            add("LAMBDA_RUNTIME_CLIENT_CONTEXT", context.clone());
        }
        all
    }
}

struct ToOutput(Arc<Output>);

impl millstream_wasm::Log for ToOutput {
    fn write(&self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

fn outcome_of(end: End, stdout: Bytes) -> Result<Outcome, InvokeError> {
    Ok(match end {
        End::Exited { code: 0 } if stdout.is_empty() => Outcome::Response(Bytes::from_static(b"null")),
        End::Exited { code: 0 } => Outcome::Response(stdout),
        // One that says in the form of Lambda's errors what went wrong.
        End::Exited { .. } if crate::outcome::is_error(&stdout) => Outcome::Error(stdout),
        End::Exited { code } => Outcome::Exited(Exit::Code(code)),
        End::StdoutTooLarge => Outcome::TooLarge,
        End::TimedOut => Outcome::TimedOut,
        End::OutOfMemory => Outcome::OutOfMemory,
        End::Trapped { why } => Outcome::Exited(Exit::Trap(why)),
        End::NotStarted { why } => return Err(InvokeError::Spawn { why }),
    })
}

#[cfg(test)]
mod tests {
    use super::{file_of, outcome_of};
    use crate::outcome::Outcome;
    use millstream_wasm::End;
    use std::path::Path;

    #[test]
    fn the_handler_may_name_the_component() {
        assert_eq!(file_of("enrich"), Ok(Path::new("bootstrap.wasm")));
        assert_eq!(file_of("bin/enrich.wasm"), Ok(Path::new("bin/enrich.wasm")));
        for outside in ["../enrich.wasm", "/etc/enrich.wasm", "a/../../b.wasm"] {
            assert!(file_of(outside).is_err(), "{outside}");
        }
    }

    #[test]
    fn a_failed_component_may_say_why() {
        let ended = |code, stdout: &'static str| outcome_of(End::Exited { code }, stdout.into()).unwrap();
        assert!(matches!(ended(0, ""), Outcome::Response(payload) if payload == "null"));
        assert!(matches!(ended(0, "[]"), Outcome::Response(payload) if payload == "[]"));
        assert!(matches!(ended(1, r#"{"errorType":"E","errorMessage":"m"}"#), Outcome::Error(_)));
        assert!(matches!(ended(1, "[]"), Outcome::Exited(_)));
    }
}

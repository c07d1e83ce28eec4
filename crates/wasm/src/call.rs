//! One call of a component.

use crate::caps;
use crate::engine::Program;
use crate::guest::Guest;
use crate::limiter::Limiter;
use crate::streams::{Kept, Log, ToLog};
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, Trap};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx};

/// What a component is called with.
pub struct Call {
    pub stdin: Bytes,
    pub env: Vec<(String, String)>,
    /// Directories of the host that it may read, and the paths at which it finds them.
    pub directories: Vec<(PathBuf, String)>,
    pub connect: Connect,
    /// Bytes of its memories together.
    pub memory: usize,
    /// Largest result in bytes.
    pub stdout_limit: usize,
    /// How long it may take.
    pub within: Duration,
    pub log: Arc<dyn Log>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("directories", &self.directories).finish_non_exhaustive()
    }
}

/// Where a component may open TCP connections to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connect {
    Nowhere,
    Only(Vec<SocketAddr>),
    Anywhere,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Ended {
    pub end: End,
    /// What it had written to its standard output, unless that was too much.
    pub stdout: Bytes,
    /// The most memory it had, in bytes.
    pub peak: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Exited {
        code: i32,
    },
    StdoutTooLarge,
    TimedOut,
    OutOfMemory,
    /// It did what WebAssembly does not allow, such as reaching an `unreachable`, which is how panics end.
    Trapped {
        why: String,
    },
    /// It could not be started.
    NotStarted {
        why: String,
    },
}

impl Program {
    /// Run the component to its end. It computes in place: call this where waiting disturbs nobody.
    pub async fn call(&self, call: Call) -> Ended {
        let stdout = Kept::new(call.stdout_limit);
        let within = call.within.min(caps::LONGEST_CALL);
        let memory = call.memory;
        let not_started = |why: wasmtime::Error| Ended {
            end: End::NotStarted { why: format!("{why:#}") },
            stdout: Bytes::new(),
            peak: 0,
        };
        let wasi = match wasi(call, &stdout) {
            Ok(wasi) => wasi,
            Err(error) => return not_started(error),
        };
        let guest = Guest { wasi, table: ResourceTable::new(), limiter: Limiter::new(memory) };
        let mut store = Store::new(self.pre.engine(), guest);
        store.limiter(|guest| &mut guest.limiter);
        let fuel = caps::FUEL_PER_SECOND.saturating_mul(within.as_secs().saturating_add(1));
        let fuelled = store
            .set_fuel(fuel)
            .and_then(|()| store.fuel_async_yield_interval(Some(caps::FUEL_BETWEEN_LOOKS)));
        if let Err(error) = fuelled {
            return not_started(error);
        }
        let running = async {
            let command = self.pre.instantiate_async(&mut store).await?;
            command.wasi_cli_run().call_run(&mut store).await
        };
        let result = timeout(within, running).await;
        let Limiter { used, over, .. } = store.data().limiter;
        let end = match result {
            Err(_elapsed) => End::TimedOut,
            Ok(Ok(Ok(()))) => End::Exited { code: 0 },
            Ok(Ok(Err(()))) => End::Exited { code: 1 },
            Ok(Err(error)) => end_of(&error, over),
        };
        // The store goes first: it holds the other end.
        drop(store);
        let (end, stdout) = match stdout.take() {
            Some(stdout) => (end, stdout),
            None => (End::StdoutTooLarge, Bytes::new()),
        };
        Ended { end, stdout, peak: used }
    }
}

fn end_of(error: &wasmtime::Error, over_memory: bool) -> End {
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return End::Exited { code: *code };
    }
    if over_memory {
        return End::OutOfMemory;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => End::TimedOut,
        Some(trap) => End::Trapped { why: trap.to_string() },
        None => End::Trapped { why: format!("{error:#}") },
    }
}

fn wasi(call: Call, stdout: &Kept) -> wasmtime::Result<WasiCtx> {
    let mut builder = WasiCtx::builder();
    builder
        .stdin(MemoryInputPipe::new(call.stdin))
        .stdout(stdout.clone())
        .stderr(ToLog(call.log))
        .envs(&call.env)
        .max_random_size(caps::RANDOM_BYTES)
        .allow_udp(false)
        .allow_ip_name_lookup(call.connect == Connect::Anywhere)
        .allow_tcp(call.connect != Connect::Nowhere);
    for (directory, at) in &call.directories {
        builder.preopened_dir(directory, at, FsPerms::ReadOnly)?;
    }
    let connect = Arc::new(call.connect);
    builder.socket_addr_check(move |address, what| {
        let connect = connect.clone();
        Box::pin(async move {
            match (&*connect, what) {
                (Connect::Anywhere, SocketAddrUse::TcpConnect) => true,
                (Connect::Only(known), SocketAddrUse::TcpConnect) => known.contains(&address),
                // A connection is bound to a port that the machine chooses.
                (Connect::Only(_) | Connect::Anywhere, SocketAddrUse::TcpBind) => address.port() == 0,
                _ => false,
            }
        })
    });
    Ok(builder.build())
}

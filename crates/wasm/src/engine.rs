//! Components become machine code.

use crate::caps;
use crate::guest::Guest;
use lru::LruCache;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::{Component, Linker};
use wasmtime::{Cache, CacheConfig, Config};
use wasmtime_wasi::p2::bindings::CommandPre;

/// Compiles components and remembers them. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    compiler: wasmtime::Engine,
    linker: Arc<Linker<Guest>>,
    programs: Arc<Mutex<LruCache<String, Program>>>,
}

/// A component that is ready to be called. Cheap to clone.
#[derive(Clone)]
pub struct Program {
    pub(crate) pre: CommandPre<Guest>,
}

/// This machine cannot run components.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("WebAssembly cannot be run here: {0}")]
pub struct Unavailable(String);

/// Bytes that are not a component which can be a function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadComponent {
    #[error("it has {size} bytes; a component may have {}", caps::COMPONENT_BYTES)]
    TooLarge { size: usize },
    #[error(
        "it is a core module, not a component: build it for the target wasm32-wasip2, or make a component of it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    #[error("it is not a WebAssembly component: {0}")]
    Unreadable(String),
    #[error(
        "it does not fit the world wasi:cli/command of WASI 0.2, of which functions are: {0}. Functions read the event from \
         their standard input and write the result to their standard output"
    )]
    OtherWorld(String),
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").finish_non_exhaustive()
    }
}

impl Engine {
    /// Ready to compile. `cache`: a directory that keeps machine code, so that a component is compiled once and not at
    /// each start. Only the server may write there: what is in it is run.
    pub fn new(cache: Option<&Path>) -> Result<Self, Unavailable> {
        let unavailable = |error: wasmtime::Error| Unavailable(format!("{error:#}"));
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .consume_fuel(true)
            .max_wasm_stack(caps::STACK_BYTES)
            .async_stack_size(caps::CALL_STACK_BYTES);
        if let Some(directory) = cache {
            let mut kept = CacheConfig::new();
            kept.with_directory(directory)
                .with_files_total_size_soft_limit(caps::COMPILED_BYTES)
                .with_file_count_soft_limit(caps::COMPILED_FILES);
            config.cache(Some(Cache::new(kept).map_err(unavailable)?));
        }
        let engine = wasmtime::Engine::new(&config).map_err(unavailable)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(unavailable)?;
        let programs = LruCache::new(NonZeroUsize::new(caps::PROGRAMS).unwrap_or(NonZeroUsize::MIN));
        Ok(Self { compiler: engine, linker: Arc::new(linker), programs: Arc::new(Mutex::new(programs)) })
    }

    /// The program that was compiled under this key, if it is still in memory.
    pub fn known(&self, key: &str) -> Option<Program> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Compile `bytes`, or fetch what was made of the same before, and remember it under `key`. Takes up to seconds of a
    /// core: not to be called on a thread that others wait for.
    pub fn compile(&self, key: &str, bytes: &[u8]) -> Result<Program, BadComponent> {
        if bytes.len() > caps::COMPONENT_BYTES {
            return Err(BadComponent::TooLarge { size: bytes.len() });
        }
        // The binary formats of modules and components differ in the version after the magic number.
        if bytes.starts_with(b"\0asm\x01\0\0\0") {
            return Err(BadComponent::CoreModule);
        }
        let unreadable = |error: wasmtime::Error| BadComponent::Unreadable(format!("{error:#}"));
        let component = Component::from_binary(&self.compiler, bytes).map_err(unreadable)?;
        let other = |error: wasmtime::Error| BadComponent::OtherWorld(format!("{error:#}"));
        let pre = self.linker.instantiate_pre(&component).map_err(other)?;
        let program = Program { pre: CommandPre::new(pre).map_err(other)? };
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.put(key.to_owned(), program.clone());
        drop(programs);
        Ok(program)
    }
}

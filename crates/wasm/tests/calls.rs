#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a test's own files may be lost")]
//! Components that do well and badly, written as core modules in text and made components by the adapter for WASI 0.1.

use bytes::Bytes;
use millstream_wasm::{BadComponent, Call, Connect, End, Ended, Engine, Log};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};

/// Imports, a page of memory for pointers, and helpers to read and write.
const HEAD: &str = r#"
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 4)
  (func $write (param $fd i32) (param $at i32) (param $size i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $size))
    (if (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))
      (then (call $proc_exit (i32.const 9)))))
  (func $read (param $fd i32) (result i32)
    (i32.store (i32.const 0) (i32.const 4096))
    (i32.store (i32.const 4) (i32.const 4096))
    (if (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))
      (then (call $proc_exit (i32.const 8))))
    (i32.load (i32.const 8)))
"#;

const ECHO: &str = r#"(func (export "_start") (local $n i32)
  (loop $more
    (local.set $n (call $read (i32.const 0)))
    (if (local.get $n) (then (call $write (i32.const 1) (i32.const 4096) (local.get $n)) (br $more)))))"#;

fn component(body: &str) -> Vec<u8> {
    let module = wat::parse_str(format!("(module {HEAD} {body})")).unwrap();
    let adapter = (WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER);
    let encoder = wit_component::ComponentEncoder::default();
    encoder.module(&module).unwrap().adapter(adapter.0, adapter.1).unwrap().encode().unwrap()
}

#[derive(Default)]
struct Lines(Mutex<Vec<u8>>);

impl Log for Lines {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

fn call(stdin: &str) -> Call {
    Call {
        stdin: Bytes::from(stdin.to_owned()),
        env: Vec::new(),
        directories: Vec::new(),
        connect: Connect::Nowhere,
        memory: 16 << 20,
        stdout_limit: 1 << 20,
        within: Duration::from_mins(1),
        log: Arc::new(Lines::default()),
    }
}

async fn run(body: &str, call: Call) -> Ended {
    Engine::new(None).unwrap().compile("key", &component(body)).unwrap().call(call).await
}

#[tokio::test]
async fn the_event_is_standard_input_and_the_result_standard_output() {
    let large = "0123456789".repeat(10_000);
    let ended = run(ECHO, call(&large)).await;
    assert_eq!(ended.end, End::Exited { code: 0 });
    assert_eq!(ended.stdout, large.as_bytes());
    assert!(ended.peak >= 4 * 65_536, "{}", ended.peak);
}

#[tokio::test]
async fn standard_error_is_the_log_and_the_exit_code_is_told() {
    let log = Arc::new(Lines::default());
    let body = r#"(data (i32.const 4096) "went wrong\n")
      (func (export "_start")
        (call $write (i32.const 2) (i32.const 4096) (i32.const 11))
        (call $proc_exit (i32.const 1)))"#;
    let ended = run(body, Call { log: log.clone(), ..call("") }).await;
    assert_eq!(ended.end, End::Exited { code: 1 });
    assert_eq!(*log.0.lock().unwrap(), b"went wrong\n");
}

#[tokio::test]
async fn one_that_never_ends_is_ended() {
    let spinning = r#"(func (export "_start") (loop $on (br $on)))"#;
    let ended = run(spinning, Call { within: Duration::from_millis(50), ..call("") }).await;
    assert_eq!(ended.end, End::TimedOut);
}

#[tokio::test]
async fn memory_has_a_limit() {
    let body = r#"(func (export "_start")
      (loop $on
        (br_if $on (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
      unreachable)"#;
    let ended = run(body, call("")).await;
    assert_eq!(ended.end, End::OutOfMemory);
    assert!(ended.peak <= 16 << 20, "{}", ended.peak);
}

#[tokio::test]
async fn a_trap_is_told() {
    let ended = run(r#"(func (export "_start") unreachable)"#, call("")).await;
    assert!(matches!(&ended.end, End::Trapped { why } if why.contains("unreachable")), "{:?}", ended.end);
}

#[tokio::test]
async fn a_result_has_a_limit() {
    let ended = run(ECHO, Call { stdout_limit: 9, ..call("0123456789") }).await;
    assert_eq!(ended.end, End::StdoutTooLarge);
    assert!(ended.stdout.is_empty());
    let fits = run(ECHO, Call { stdout_limit: 10, ..call("0123456789") }).await;
    assert_eq!(fits.stdout, "0123456789");
}

#[tokio::test]
async fn a_call_sees_nothing_of_the_one_before() {
    let body = r#"(global $calls (mut i32) (i32.const 48))
      (func (export "_start")
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.store8 (i32.const 4096) (global.get $calls))
        (call $write (i32.const 1) (i32.const 4096) (i32.const 1)))"#;
    let program = Engine::new(None).unwrap().compile("key", &component(body)).unwrap();
    for _ in 0..3 {
        assert_eq!(program.call(call("")).await.stdout, "1");
    }
}

#[tokio::test]
async fn the_environment_is_what_it_is_given() {
    // The strings lie one after the other, each with a zero at its end.
    let body = r#"(func (export "_start")
      (drop (call $environ_get (i32.const 2048) (i32.const 4096)))
      (call $write (i32.const 1) (i32.const 4096) (i32.const 8)))"#;
    let env = vec![("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())];
    assert_eq!(run(body, Call { env, ..call("") }).await.stdout, "A=1\0B=2\0");
}

/// Reads the file of this name in its first directory.
fn reader(name: &str) -> String {
    format!(
        r#"(data (i32.const 2048) "{name}")
      (func (export "_start")
        (if (call $path_open (i32.const 3) (i32.const 0) (i32.const 2048) (i32.const {}) (i32.const 0)
              (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16))
          (then (call $proc_exit (i32.const 1))))
        (call $write (i32.const 1) (i32.const 4096) (call $read (i32.load (i32.const 16)))))"#,
        name.len()
    )
}

#[tokio::test]
async fn directories_are_read_and_nothing_beside_them() {
    let directory = tempfile::tempdir().unwrap();
    let code = directory.path().join("code");
    std::fs::create_dir(&code).unwrap();
    std::fs::write(code.join("offers"), "fibre").unwrap();
    std::fs::write(directory.path().join("secret"), "no").unwrap();
    std::os::unix::fs::symlink(directory.path().join("secret"), code.join("link")).unwrap();
    let of = |directories: Vec<(PathBuf, String)>| Call { directories, ..call("") };
    let given = || of(vec![(code.clone(), "/var/task".to_owned())]);
    assert_eq!(run(&reader("offers"), given()).await.stdout, "fibre");
    for outside in ["../secret", "link", "/etc/passwd"] {
        let ended = run(&reader(outside), given()).await;
        assert_eq!((ended.end, ended.stdout), (End::Exited { code: 1 }, Bytes::new()), "{outside}");
    }
    assert_ne!(run(&reader("offers"), of(Vec::new())).await.end, End::Exited { code: 0 });
}

#[test]
fn what_is_not_a_component_of_the_world_is_refused_with_what_to_do() {
    let engine = Engine::new(None).unwrap();
    let compiled = |bytes: &[u8]| engine.compile("key", bytes).unwrap_err();
    let module = wat::parse_str("(module)").unwrap();
    assert_eq!(compiled(&module), BadComponent::CoreModule);
    assert!(compiled(&module).to_string().contains("wasm32-wasip2"));
    assert!(matches!(compiled(b"#!/bin/sh\n"), BadComponent::Unreadable(_)));
    assert!(matches!(compiled(b""), BadComponent::Unreadable(_)));
    assert!(matches!(compiled(&wat::parse_str("(component)").unwrap()), BadComponent::OtherWorld(_)));
    let asks = wat::parse_str(r#"(component (import "host:secrets/all" (instance (export "f" (func)))))"#);
    assert!(matches!(compiled(&asks.unwrap()), BadComponent::OtherWorld(_)));
    let size = millstream_wasm::caps::COMPONENT_BYTES + 1;
    assert_eq!(compiled(&vec![0; size]), BadComponent::TooLarge { size });
    assert!(engine.known("key").is_none());
}

#[tokio::test]
async fn machine_code_is_kept_for_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = component(ECHO);
    let files = || walk(directory.path());
    Engine::new(Some(directory.path())).unwrap().compile("key", &bytes).unwrap();
    let kept = files();
    assert!(!kept.is_empty());
    let engine = Engine::new(Some(directory.path())).unwrap();
    let program = engine.compile("key", &bytes).unwrap();
    assert_eq!(program.call(call("again")).await.stdout, "again");
    assert!(engine.known("key").is_some());
}

fn walk(directory: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

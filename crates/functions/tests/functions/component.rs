//! Functions that are WebAssembly components.

use crate::common::{call, invoke, json, spec, text};
use millstream_functions::{
    CodeStore, FunctionError, FunctionSpec, Functions, InvokeError, Options, Runtime,
};
use std::io::{Cursor, Write};
use std::sync::Arc;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const HEAD: &str = r#"
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 4)
  (func $write (param $fd i32) (param $at i32) (param $size i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $size))
    (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $read (param $fd i32) (result i32)
    (i32.store (i32.const 0) (i32.const 65536))
    (i32.store (i32.const 4) (i32.const 65536))
    (drop (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.load (i32.const 8)))
"#;

fn component(body: &str) -> Vec<u8> {
    let module = wat::parse_str(format!("(module {HEAD} {body})")).unwrap();
    let mut encoder = wit_component::ComponentEncoder::default();
    encoder = encoder.module(&module).unwrap();
    let adapter = (WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER);
    encoder.adapter(adapter.0, adapter.1).unwrap().encode().unwrap()
}

fn zipped(name: &str, bytes: &[u8]) -> bytes::Bytes {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, SimpleFileOptions::default()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap().into_inner().into()
}

async fn functions() -> Functions {
    // No sandbox is needed: an isolation that cannot be had does not matter.
    let options = Options { sandbox_exe: "/nowhere".into(), ..Options::default() };
    Functions::start(CodeStore::temporary().unwrap(), options).await.unwrap()
}

async fn deployed(functions: &Functions, body: &str) -> FunctionSpec {
    let base = spec(functions, Runtime::ProvidedWasm, &[]).await;
    let code = functions.code().put_zip(zipped("bootstrap.wasm", &component(body))).await.unwrap();
    FunctionSpec { code: code.key, timeout_secs: 2, memory_mb: 128, ..base }
}

const ECHO: &str = r#"(data (i32.const 1024) "taken\n")
  (func (export "_start") (local $n i32)
    (call $write (i32.const 2) (i32.const 1024) (i32.const 6))
    (local.set $n (call $read (i32.const 0)))
    (call $write (i32.const 1) (i32.const 65536) (local.get $n)))"#;

#[tokio::test]
async fn the_event_comes_back_and_the_log_is_kept() {
    let functions = functions().await;
    let echo = Arc::new(deployed(&functions, ECHO).await);
    functions.prepare(&echo).await.unwrap();
    let reply = invoke(&functions, &echo, r#"{"n":[1,2]}"#).await;
    assert_eq!((text(&reply.payload).as_str(), reply.function_error), (r#"{"n":[1,2]}"#, None));
    let log = text(&reply.log_tail);
    let lines: Vec<&str> = log.lines().collect();
    let [start, taken, end, report] = lines.as_slice() else { panic!("{log}") };
    assert!(start.starts_with("START RequestId: ") && start.ends_with("Version: $LATEST"), "{log}");
    assert_eq!(*taken, "taken");
    assert!(end.starts_with("END RequestId: ") && report.contains("Memory Size: 128 MB"), "{log}");
    assert!(reply.max_memory_mb >= 1 && reply.max_memory_mb < 128, "{}", reply.max_memory_mb);
    assert_eq!(functions.workers().busy, 0, "its place is free again");
}

#[tokio::test]
async fn failures_are_told_in_the_words_of_aws() {
    let functions = functions().await;
    for (body, kind, message) in [
        ("(func (export \"_start\") (call $proc_exit (i32.const 1)))", "Runtime.ExitError", "exit status 1"),
        ("(func (export \"_start\") unreachable)", "Runtime.ExitError", "unreachable"),
        (
            "(func (export \"_start\") (loop $on (br_if $on (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) unreachable)",
            "Runtime.ExitError",
            "signal: killed",
        ),
        (
            "(func (export \"_start\") (loop $on (br $on)))",
            "Sandbox.Timedout",
            "timed out after 2.00 seconds",
        ),
    ] {
        let function = Arc::new(deployed(&functions, body).await);
        let reply = invoke(&functions, &function, "{}").await;
        assert_eq!(reply.function_error, Some(FunctionError::Unhandled), "{body}");
        let error = json(&reply.payload);
        assert_eq!(error["errorType"], kind, "{body}");
        assert!(error["errorMessage"].as_str().unwrap().contains(message), "{error}");
    }
}

#[tokio::test]
async fn one_may_say_itself_what_went_wrong() {
    let functions = functions().await;
    let error = r#"{"errorType":"NoOffer","errorMessage":"no offer there"}"#;
    let body = format!(
        r#"(data (i32.const 1024) "{}")
        (func (export "_start")
          (call $write (i32.const 1) (i32.const 1024) (i32.const {}))
          (call $proc_exit (i32.const 1)))"#,
        error.replace('"', "\\22"),
        error.len()
    );
    let function = Arc::new(deployed(&functions, &body).await);
    let reply = invoke(&functions, &function, "{}").await;
    assert_eq!(
        (text(&reply.payload).as_str(), reply.function_error),
        (error, Some(FunctionError::Unhandled))
    );
}

#[tokio::test]
async fn its_environment_says_what_the_runtime_api_would() {
    let functions = functions().await;
    let body = r#"(func (export "_start") (local $n i32)
      (drop (call $environ_sizes_get (i32.const 16) (i32.const 20)))
      (drop (call $environ_get (i32.const 1024) (i32.const 65536)))
      (call $write (i32.const 1) (i32.const 65536) (i32.load (i32.const 20))))"#;
    let mut function = deployed(&functions, body).await;
    function.environment.insert("TABLE".to_owned(), "offers".to_owned());
    let mut asked = call("{}");
    asked.trace_id = Some("Root=1".to_owned());
    let id = asked.request_id.clone();
    let reply = functions.invoke(Arc::new(function), asked).await.unwrap();
    let all = text(&reply.payload);
    let variables: Vec<&str> = all.split('\0').collect();
    for there in [
        "TABLE=offers",
        "AWS_LAMBDA_FUNCTION_NAME=f",
        "LAMBDA_TASK_ROOT=/var/task",
        "_X_AMZN_TRACE_ID=Root=1",
        &format!("LAMBDA_RUNTIME_AWS_REQUEST_ID={id}"),
        "LAMBDA_RUNTIME_INVOKED_FUNCTION_ARN=arn:aws:lambda:us-east-1:000000000000:function:f",
    ] {
        assert!(variables.contains(&there), "{there}: {variables:?}");
    }
    assert!(!all.contains("\0PATH=") && !all.contains("AWS_LAMBDA_RUNTIME_API"), "{variables:?}");
}

#[tokio::test]
async fn its_layers_are_at_opt() {
    let functions = functions().await;
    // The directories come in order: 3 is /var/task, 4 is /opt.
    let body = r#"(data (i32.const 1024) "offers.json")
      (func (export "_start")
        (if (call $path_open (i32.const 4) (i32.const 0) (i32.const 1024) (i32.const 11) (i32.const 0)
              (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16))
          (then (call $proc_exit (i32.const 7))))
        (call $write (i32.const 1) (i32.const 65536) (call $read (i32.load (i32.const 16)))))"#;
    let mut function = deployed(&functions, body).await;
    let layer = functions.code().put_zip(zipped("offers.json", b"{\"fibre\":1000}")).await.unwrap();
    function.layers = vec![layer.key];
    let reply = invoke(&functions, &Arc::new(function), "{}").await;
    assert_eq!(text(&reply.payload), "{\"fibre\":1000}", "{}", text(&reply.log_tail));
}

#[tokio::test]
async fn what_is_no_component_is_refused_before_it_is_invoked() {
    let functions = functions().await;
    let base = spec(&functions, Runtime::ProvidedWasm, &[("bootstrap.wasm", "#!/bin/sh\n")]).await;
    let why = |error: InvokeError| match error {
        InvokeError::Component { why } => why,
        other => panic!("{other}"),
    };
    assert!(why(functions.prepare(&base).await.unwrap_err()).contains("bootstrap.wasm cannot be a function"));
    let other = FunctionSpec { handler: "enrich.wasm".to_owned(), ..base.clone() };
    assert!(why(functions.prepare(&other).await.unwrap_err()).contains("enrich.wasm cannot be read"));
    let outside = FunctionSpec { handler: "../enrich.wasm".to_owned(), ..base };
    assert!(why(functions.prepare(&outside).await.unwrap_err()).contains("not a path in the package"));
}

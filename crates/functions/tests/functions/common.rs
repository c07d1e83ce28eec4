//! What the tests of this crate share: functions made of a few lines of text, run for real.

use bytes::Bytes;
use millstream_functions::{CodeStore, FunctionSpec, Functions, Invocation, InvokeReply, Options, Runtime};
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::sync::Arc;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub(crate) fn sandbox_exe() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_millstream-sandbox"))
}

pub(crate) fn zip_of(files: &[(&str, &str)]) -> Bytes {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        let mode = if name.ends_with("bootstrap") { 0o755 } else { 0o644 };
        writer.start_file(*name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner().into()
}

/// The service with the options of a test; `None`, said aloud, where the kernel allows no sandbox.
pub(crate) async fn start(options: Options) -> Option<Functions> {
    let options = Options { sandbox_exe: sandbox_exe(), ..options };
    let functions = Functions::start(CodeStore::temporary().unwrap(), options).await.unwrap();
    match functions.isolation() {
        Ok(_) => Some(functions),
        Err(error) => {
            println!("SKIPPED: {error}");
            None
        }
    }
}

/// A Python of this machine.
pub(crate) async fn python(functions: &Functions) -> Runtime {
    for minor in [12, 13, 11, 14] {
        if functions.check_runtime(Runtime::Python { minor }).await.is_ok() {
            return Runtime::Python { minor };
        }
    }
    panic!("the tests need a Python of at least 3.11");
}

pub(crate) async fn spec(functions: &Functions, runtime: Runtime, files: &[(&str, &str)]) -> FunctionSpec {
    let code = functions.code().put_zip(zip_of(files)).await.unwrap();
    FunctionSpec {
        arn: "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
        name: "f".to_owned(),
        version: "$LATEST".to_owned(),
        revision: "1".to_owned(),
        runtime,
        handler: "main.handler".to_owned(),
        timeout_secs: 20,
        memory_mb: 256,
        ephemeral_mb: 512,
        environment: BTreeMap::new(),
        code: code.key,
        elsewhere: None,
        layers: Vec::new(),
        role_arn: "arn:aws:iam::000000000000:role/r".to_owned(),
        log_group: "/aws/lambda/f".to_owned(),
        json_logs: None,
        reserved_concurrency: None,
        shared_with: None,
    }
}

/// A Python function of one file.
pub(crate) async fn py(functions: &Functions, code: &str) -> Arc<FunctionSpec> {
    Arc::new(spec(functions, python(functions).await, &[("main.py", code)]).await)
}

pub(crate) fn call(payload: &str) -> Invocation {
    Invocation {
        request_id: millstream_host::entropy::uuid(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        client_context: None,
        trace_id: None,
    }
}

pub(crate) async fn invoke(functions: &Functions, spec: &Arc<FunctionSpec>, payload: &str) -> InvokeReply {
    functions.invoke(Arc::clone(spec), call(payload)).await.unwrap()
}

pub(crate) fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn json(bytes: &Bytes) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", text(bytes)))
}

//! Node.js functions, run for real.

use crate::common::{call, invoke, json, spec, start, text, zip_of};
use millstream_functions::{FunctionError, FunctionSpec, Functions, InvokeReply, Options, Runtime};
use serde_json::{Value, json};
use std::sync::Arc;

/// A Node.js of this machine.
async fn node(functions: &Functions) -> Runtime {
    for major in [20, 22, 18, 24] {
        if functions.check_runtime(Runtime::Node { major }).await.is_ok() {
            return Runtime::Node { major };
        }
    }
    panic!("the tests need a Node.js that AWS offers");
}

/// A function of these files; the handler is `main.handler`. No other test's worker serves it.
async fn made_of(functions: &Functions, files: &[(&str, &str)]) -> FunctionSpec {
    let made = spec(functions, node(functions).await, files).await;
    FunctionSpec { revision: millstream_host::entropy::uuid(), ..made }
}

async fn js(functions: &Functions, files: &[(&str, &str)]) -> Arc<FunctionSpec> {
    Arc::new(made_of(functions, files).await)
}

/// The answer of a function whose `main.mjs` is `code`.
async fn answer(functions: &Functions, code: &str, payload: &str) -> InvokeReply {
    let spec = js(functions, &[("main.mjs", code)]).await;
    invoke(functions, &spec, payload).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_answers_and_logs_as_on_aws() {
    let Some(functions) = start(Options::default()).await else { return };
    let code = "console.log('at import');\n\
                let count = 0;\n\
                export const handler = async (event, context) => {\n\
                \x20 count += 1;\n\
                \x20 console.warn('hello %s', event.name, { of: 'two\\nlines' });\n\
                \x20 return { count, id: context.awsRequestId, arn: context.invokedFunctionArn, env: process.env,\n\
                \x20          left: context.getRemainingTimeInMillis(), memory: context.memoryLimitInMB, cwd: process.cwd(),\n\
                \x20          file: import.meta.url, name: context.functionName, version: context.functionVersion };\n\
                };\n";
    let spec = js(&functions, &[("main.mjs", code)]).await;
    let first = call(r#"{"name":"Ada"}"#);
    let id = first.request_id.clone();
    let reply = functions.invoke(Arc::clone(&spec), first).await.unwrap();
    let payload = json(&reply.payload);
    assert_eq!(reply.function_error, None, "{payload}");
    for (member, value) in [
        ("count", json!(1)),
        ("id", json!(id)),
        ("arn", json!(spec.arn)),
        ("memory", json!("256")),
        ("cwd", json!("/var/task")),
        ("file", json!("file:///var/task/main.mjs")),
        ("name", json!("f")),
        ("version", json!("$LATEST")),
    ] {
        assert_eq!(payload[member], value, "{member}");
    }
    let left = payload["left"].as_i64().unwrap();
    assert!(left > 0 && left <= 20_000, "{left}");
    assert_eq!(payload["env"]["AWS_EXECUTION_ENV"], format!("AWS_Lambda_{}", spec.runtime));
    assert_eq!(payload["env"].get("HOME"), None, "nothing of the server's environment");

    let tail = text(&reply.log_tail);
    let lines: Vec<_> = tail.lines().collect();
    assert!(lines[0].ends_with("\tundefined\tINFO\tat import"), "{tail}");
    assert_eq!(lines[1], format!("START RequestId: {id} Version: $LATEST"));
    assert!(lines[2].ends_with(&format!("\t{id}\tWARN\thello Ada {{ of: 'two\\nlines' }}")), "{tail}");
    assert_eq!(lines[3], format!("END RequestId: {id}"));

    let again = invoke(&functions, &spec, r#"{"name":"Ada"}"#).await;
    assert_eq!(json(&again.payload)["count"], 2, "the same worker");
    functions.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_are_found_where_aws_looks_for_them() {
    let Some(functions) = start(Options::default()).await else { return };
    let common = "exports.handler = async () => 'common';";
    let module = "export const handler = async () => 'module';";
    let package = r#"{"type":"module"}"#;
    for (handler, files, wanted) in [
        ("main.handler", vec![("main.js", common)], "common"),
        ("main.handler", vec![("main.cjs", common), ("package.json", package)], "common"),
        ("main.handler", vec![("main.js", module), ("package.json", package)], "module"),
        ("main.handler", vec![("main.mjs", module)], "module"),
        ("main.handler", vec![("main.js", common), ("main.mjs", module)], "common"),
        ("src/deep/main.handler", vec![("src/deep/main.js", common)], "common"),
        (
            "src/deep/main.handler",
            vec![("src/deep/main.js", module), ("src/package.json", package)],
            "module",
        ),
        (
            "main.a.b.handler",
            vec![("main.js", "exports.a = { b: { handler: async () => 'nested' } };")],
            "nested",
        ),
        ("main.handler", vec![("node_modules/main/index.js", common)], "common"),
    ] {
        let mut made = made_of(&functions, &files).await;
        made.handler = handler.to_owned();
        let reply = invoke(&functions, &Arc::new(made), "{}").await;
        assert_eq!(json(&reply.payload), json!(wanted), "{handler} of {files:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_are_required_by_name() {
    let Some(functions) = start(Options::default()).await else { return };
    let code = "exports.handler = async () => [require('shared').value, require('fs').readFileSync('/opt/data.txt', 'utf8')];";
    let mut made = made_of(&functions, &[("main.js", code)]).await;
    let layer = zip_of(&[
        ("nodejs/node_modules/shared/index.js", "exports.value = 'of the layer';"),
        ("data.txt", "data"),
    ]);
    made.layers.push(functions.code().put_zip(layer).await.unwrap().key);
    let reply = invoke(&functions, &Arc::new(made), "{}").await;
    assert_eq!(json(&reply.payload), json!(["of the layer", "data"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_throws_is_told_with_its_trace() {
    let Some(functions) = start(Options::default()).await else { return };
    let code = "class Odd extends Error { constructor(message) { super(message); this.name = 'Odd'; this.code = 7; } }\n\
                export const handler = async (event) => { throw event.plain ? 'a string' : new Odd('no: ' + event.what); };\n";
    let spec = js(&functions, &[("main.mjs", code)]).await;
    let reply = invoke(&functions, &spec, r#"{"what":"x"}"#).await;
    assert_eq!(reply.function_error, Some(FunctionError::Unhandled));
    let told = json(&reply.payload);
    assert_eq!((&told["errorType"], &told["errorMessage"]), (&json!("Odd"), &json!("no: x")));
    assert_eq!(told["trace"][0], "Odd: no: x");
    assert!(told["trace"][1].as_str().unwrap().contains("(file:///var/task/main.mjs:2:"), "{told}");
    let tail = text(&reply.log_tail);
    assert!(
        tail.contains(
            "\tERROR\tInvoke Error \t{\"errorType\":\"Odd\",\"errorMessage\":\"no: x\",\"code\":7,"
        ),
        "{tail}"
    );

    let plain = invoke(&functions, &spec, r#"{"plain":true}"#).await;
    assert_eq!(json(&plain.payload), json!({"errorType": "string", "errorMessage": "a string", "trace": []}));
    assert_eq!(plain.init, None, "an error does not cost the worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_answer_in_each_of_nodes_ways() {
    let Some(functions) = start(Options::default()).await else { return };
    if node(&functions).await == (Runtime::Node { major: 24 }) {
        println!("SKIPPED: there are no callbacks from Node.js 24 on");
        return;
    }
    for (body, wanted) in [
        ("(event, context, callback) => callback(null, 'callback')", json!("callback")),
        ("(event, context, callback) => { setTimeout(() => callback(null, 'later'), 5) }", json!("later")),
        ("(event, context) => context.succeed('succeed')", json!("succeed")),
        ("(event, context) => context.done(null, 'done')", json!("done")),
        (
            "(event, context, callback) => { callback(null, 'first'); callback(null, 'second') }",
            json!("first"),
        ),
        ("() => Promise.resolve('promise')", json!("promise")),
        ("async () => undefined", Value::Null),
        ("() => 'not a promise'", Value::Null),
    ] {
        let reply = answer(&functions, &format!("export const handler = {body};"), "{}").await;
        assert_eq!((reply.function_error, json(&reply.payload)), (None, wanted), "{body}");
    }
    let waiting = "let done = false;\n\
                   export const handler = (event, context, callback) => {\n\
                   \x20 context.callbackWaitsForEmptyEventLoop = event.wait;\n\
                   \x20 const answer = { get done() { return done } };\n\
                   \x20 done = false;\n\
                   \x20 setTimeout(() => { done = true }, 50);\n\
                   \x20 callback(null, answer);\n\
                   };\n";
    let spec = js(&functions, &[("main.mjs", waiting)]).await;
    for wait in [true, false] {
        let reply = invoke(&functions, &spec, &json!({"wait": wait}).to_string()).await;
        assert_eq!(json(&reply.payload), json!({"done": wait}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_told_as_by_the_runtime_client() {
    let Some(functions) = start(Options::default()).await else { return };
    let good = "export const handler = async () => 1;";
    let client_4 = node(&functions).await == (Runtime::Node { major: 24 });
    let late: &[(&str, &str, &str, &str)] = &[
        (
            "main.handler",
            "export const handler = () => { setTimeout(() => { throw new RangeError('late') }, 1); return new Promise((r) => setTimeout(r, 5000)) };",
            "RangeError",
            "late",
        ),
        (
            "main.handler",
            "export const handler = () => { Promise.reject(new Error('nobody')); return new Promise((r) => setTimeout(r, 5000)) };",
            "Runtime.UnhandledPromiseRejection",
            "Error: nobody",
        ),
    ];
    // From Node.js 24 on AWS's client leaves these to Node.js itself, which ends.
    let late = if client_4 { &[][..] } else { late };
    let cases = [
        ("main.other", good, "Runtime.HandlerNotFound", "main.other is undefined or not exported"),
        (
            "main.handler",
            "export const handler = 7;",
            "Runtime.HandlerNotFound",
            "main.handler is not a function",
        ),
        ("main", good, "Runtime.MalformedHandlerName", "Bad handler"),
        (
            "../main.handler",
            good,
            "Runtime.MalformedHandlerName",
            "'../main.handler' is not a valid handler name.",
        ),
        ("main.handler", "export const handler = ", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ("gone.handler", good, "Runtime.ImportModuleError", "Error: Cannot find module 'gone'"),
        ("main.handler", "import 'no-such-package';", "Error", "Cannot find package 'no-such-package'"),
        ("main.handler", "throw new TypeError('at import');", "TypeError", "at import"),
        (
            "main.handler",
            "export const handler = async () => 1n;",
            if client_4 { "Runtime.JSONStringifyError" } else { "Error" },
            "Unable to stringify",
        ),
        (
            "main.handler",
            "export const handler = async () => { const a = {}; a.a = a; return a };",
            if client_4 { "Runtime.JSONStringifyError" } else { "Error" },
            "Unable",
        ),
    ];
    for &(handler, code, kind, message) in cases.iter().chain(late) {
        let mut made = made_of(&functions, &[("main.mjs", code)]).await;
        made.handler = handler.to_owned();
        let reply = invoke(&functions, &Arc::new(made), "{}").await;
        assert_eq!(reply.function_error, Some(FunctionError::Unhandled), "{handler} {code}");
        let told = json(&reply.payload);
        assert_eq!(told["errorType"], kind, "{handler} {code}: {told}");
        assert!(told["errorMessage"].as_str().unwrap().starts_with(message), "{handler} {code}: {told}");
    }
    let unsettled =
        answer(&functions, "export const handler = async () => { await new Promise(() => {}) };", "{}").await;
    let told = json(&unsettled.payload);
    assert_eq!(told["errorType"], if client_4 { json!("Runtime.NodeJsExit") } else { Value::Null }, "{told}");
    let exits = answer(&functions, "export const handler = async () => { process.exit(3) };", "{}").await;
    assert_eq!(json(&exits.payload)["errorType"], "Runtime.ExitError");
}

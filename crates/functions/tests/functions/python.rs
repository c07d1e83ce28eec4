//! Python functions, run for real.

use crate::common::{call, invoke, json, py, python, spec, start, text, zip_of};
use millstream_functions::{FunctionError, Options};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn a_function_answers_and_logs_as_on_aws() {
    let Some(functions) = start(Options::default()).await else { return };
    let spec = py(
        &functions,
        "import json, os\n\
         print('at import')\n\
         count = 0\n\
         def handler(event, context):\n\
         \x20   global count\n\
         \x20   count += 1\n\
         \x20   print('hello', event['name'])\n\
         \x20   return {'count': count, 'id': context.aws_request_id, 'arn': context.invoked_function_arn,\n\
         \x20           'left': context.get_remaining_time_in_millis(), 'env': dict(os.environ), 'file': __file__,\n\
         \x20           'uid': os.getuid(), 'cwd': os.getcwd(), 'memory': context.memory_limit_in_mb}\n",
    )
    .await;
    let first = call(r#"{"name":"Ada"}"#);
    let id = first.request_id.clone();
    let reply = functions.invoke(Arc::clone(&spec), first).await.unwrap();
    let payload = json(&reply.payload);
    assert_eq!(reply.function_error, None, "{payload}");
    assert_eq!(payload["count"], 1);
    assert_eq!(payload["id"], id.as_str());
    assert_eq!(payload["arn"], spec.arn.as_str());
    assert_eq!(payload["file"], "/var/task/main.py");
    assert_eq!(payload["cwd"], "/var/task");
    assert_eq!(payload["memory"], "256");
    assert_eq!(payload["uid"], 993);
    let left = payload["left"].as_u64().unwrap();
    assert!(left > 0 && left <= 20_000, "{left}");
    let env = &payload["env"];
    assert_eq!(env["LAMBDA_TASK_ROOT"], "/var/task");
    assert_eq!(env["AWS_LAMBDA_FUNCTION_NAME"], "f");
    assert_eq!(env["AWS_EXECUTION_ENV"], format!("AWS_Lambda_{}", spec.runtime));
    assert!(env["AWS_LAMBDA_LOG_STREAM_NAME"].as_str().unwrap().contains("/[$LATEST]"));
    assert_eq!(env.get("HOME"), None, "nothing of the server's environment");
    assert!(reply.init.is_some());
    assert!(reply.max_memory_mb > 4, "{}", reply.max_memory_mb);

    let tail = text(&reply.log_tail);
    let lines: Vec<_> = tail.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "at import".to_owned(),
            format!("START RequestId: {id} Version: $LATEST"),
            "hello Ada".to_owned(),
            format!("END RequestId: {id}"),
        ]
    );
    assert!(lines[4].starts_with(&format!("REPORT RequestId: {id}\tDuration: ")), "{tail}");
    assert!(lines[4].contains("\tMemory Size: 256 MB\tMax Memory Used: "), "{tail}");
    assert!(lines[4].contains("\tInit Duration: "), "{tail}");

    let again = invoke(&functions, &spec, r#"{"name":"Ada"}"#).await;
    assert_eq!(json(&again.payload)["count"], 2, "the same worker");
    assert_eq!(again.init, None);
    assert!(text(&again.log_tail).starts_with("START RequestId: "));
    functions.shutdown().await;
    assert_eq!(functions.workers().idle, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_are_merged_at_opt_and_importable() {
    let Some(functions) = start(Options::default()).await else { return };
    let code = "import shared\n\
                def handler(event, context):\n\
                \x20   return [open('/opt/data.txt').read(), shared.VALUE, open('/opt/only-first').read()]\n";
    let mut spec = spec(&functions, python(&functions).await, &[("main.py", code)]).await;
    let first =
        zip_of(&[("data.txt", "first"), ("only-first", "1"), ("python/shared.py", "VALUE = 'first'\n")]);
    let second = zip_of(&[("data.txt", "second"), ("python/shared.py", "VALUE = 'second'\n")]);
    for layer in [first, second] {
        spec.layers.push(functions.code().put_zip(layer).await.unwrap().key);
    }
    let reply = invoke(&functions, &Arc::new(spec), "{}").await;
    assert_eq!(text(&reply.payload), r#"["second", "second", "1"]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_raises_is_told_with_its_own_frames_only() {
    let Some(functions) = start(Options::default()).await else { return };
    let spec = py(&functions, "def handler(event, context):\n    raise ValueError('no: ' + event)\n").await;
    let raised = call("\"x\"");
    let id = raised.request_id.clone();
    let reply = functions.invoke(Arc::clone(&spec), raised).await.unwrap();
    assert_eq!(reply.function_error, Some(FunctionError::Unhandled));
    assert_eq!(
        json(&reply.payload),
        serde_json::json!({
            "errorMessage": "no: x", "errorType": "ValueError", "requestId": id,
            "stackTrace": ["  File \"/var/task/main.py\", line 2, in handler\n    raise ValueError('no: ' + event)\n"],
        })
    );
    let tail = text(&reply.log_tail);
    assert!(tail.contains("[ERROR] ValueError: no: x\nTraceback (most recent call last):\n"), "{tail}");
    assert_eq!(invoke(&functions, &spec, "\"y\"").await.init, None, "an error does not cost the worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_and_modules_that_do_not_work_are_told_as_by_the_runtime_client() {
    let Some(functions) = start(Options::default()).await else { return };
    let python = python(&functions).await;
    let good = "def handler(event, context):\n    return {1, 2}\n";
    let cases = [
        (
            good,
            "main.handler",
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type set is not JSON serializable",
        ),
        (good, "main.other", "Runtime.HandlerNotFound", "Handler 'other' missing on module 'main'"),
        (
            good,
            "absent.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'absent': No module named 'absent'",
        ),
        (
            "import absent\n",
            "main.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'main': No module named 'absent'",
        ),
        (
            "def handler(:\n",
            "main.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'main': invalid syntax (main.py, line 1)",
        ),
        ("raise KeyError('k')\n", "main.handler", "KeyError", "'k'"),
    ];
    for (index, (code, handler, kind, message)) in cases.into_iter().enumerate() {
        let mut spec = spec(&functions, python, &[("main.py", code)]).await;
        (spec.handler, spec.arn) = (handler.to_owned(), format!("{}-{index}", spec.arn));
        let reply = invoke(&functions, &Arc::new(spec), "{}").await;
        assert_eq!(reply.function_error, Some(FunctionError::Unhandled));
        let payload = json(&reply.payload);
        assert_eq!((&payload["errorType"], &payload["errorMessage"]), (&kind.into(), &message.into()));
        assert!(text(&reply.log_tail).contains("\nREPORT RequestId: "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_be_in_a_directory_and_log_with_logging() {
    let Some(functions) = start(Options::default()).await else { return };
    let code = "import logging\nlogging.getLogger().setLevel('INFO')\n\
                def handler(event, context):\n    logging.info('noted')\n    return None\n";
    let mut spec = spec(&functions, python(&functions).await, &[("src/deep/app.py", code)]).await;
    spec.handler = "src/deep/app.handler".to_owned();
    let reply = invoke(&functions, &Arc::new(spec), "{}").await;
    assert_eq!(text(&reply.payload), "null");
    let tail = text(&reply.log_tail);
    let line = tail.lines().find(|line| line.starts_with("[INFO]\t")).expect(&tail);
    let fields: Vec<_> = line.split('\t').collect();
    assert!(fields[1].ends_with('Z') && fields[2].len() == 36 && fields[3] == "noted", "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_and_a_response_may_be_large_but_not_too_large() {
    let Some(functions) = start(Options::default()).await else { return };
    let spec = py(&functions, "def handler(event, context):\n    return event * 2\n").await;
    let half = format!("\"{}\"", "x".repeat(3_000_000));
    let reply = invoke(&functions, &spec, &half).await;
    assert_eq!(reply.function_error, None);
    assert_eq!(reply.payload.len(), 6_000_002);
    let reply = invoke(&functions, &spec, &format!("\"{}\"", "x".repeat(3_200_000))).await;
    assert_eq!(reply.function_error, Some(FunctionError::Unhandled));
    let payload = json(&reply.payload);
    assert_eq!(payload["errorType"], "Function.ResponseSizeTooLarge");
    assert_eq!(
        payload["errorMessage"],
        "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    );
    assert_eq!(invoke(&functions, &spec, "\"a\"").await.payload, "\"aa\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_of_output_neither_block_nor_stay() {
    let Some(functions) = start(Options::default()).await else { return };
    let spec = py(
        &functions,
        "def handler(event, context):\n\
         \x20   for i in range(10):\n        print(str(i) * 1_000_000)\n\
         \x20   print('last')\n    return 1\n",
    )
    .await;
    let reply = invoke(&functions, &spec, "{}").await;
    assert_eq!(text(&reply.payload), "1");
    assert_eq!(reply.log_tail.len(), 4_096);
    assert!(text(&reply.log_tail).contains("999\nlast\nEND RequestId: "), "{}", text(&reply.log_tail));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_knows_of_memory_that_was_given_back() {
    let Some(functions) = start(Options::default()).await else { return };
    let spec = py(&functions, "def handler(event, context):\n    return len(b'x' * (event << 20))\n").await;
    let little = invoke(&functions, &spec, "1").await;
    let much = invoke(&functions, &spec, "90").await;
    assert!(much.init.is_none());
    assert!(much.max_memory_mb >= 90, "{}", much.max_memory_mb);
    assert!(little.max_memory_mb < 90, "{}", little.max_memory_mb);
    let after = invoke(&functions, &spec, "1").await;
    assert!(after.max_memory_mb >= 90, "the most that the worker has used: {}", after.max_memory_mb);
}

//! Functions that end badly.

use crate::common::{call, invoke, json, py, python, sandbox_exe, spec, start, text};
use crate::death::processes_with;
use millstream_functions::{FunctionError, Functions, InvokeError, Isolation, Options, Runtime};
use std::sync::Arc;

fn error_of(reply: &millstream_functions::InvokeReply) -> (String, String) {
    assert_eq!(reply.function_error, Some(FunctionError::Unhandled));
    let payload = json(&reply.payload);
    let get = |name: &str| payload[name].as_str().unwrap().to_owned();
    (get("errorType"), get("errorMessage"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_takes_too_long_is_ended() {
    let Some(functions) = start(Options::default()).await else { return };
    let code =
        "import time\nprint('new')\ndef handler(event, context):\n    time.sleep(event)\n    return 'done'\n";
    let mut spec = spec(&functions, python(&functions).await, &[("main.py", code)]).await;
    spec.timeout_secs = 1;
    let spec = Arc::new(spec);
    let slow = call("60");
    let id = slow.request_id.clone();
    let reply = functions.invoke(Arc::clone(&spec), slow).await.unwrap();
    let (kind, message) = error_of(&reply);
    assert_eq!(kind, "Sandbox.Timedout");
    assert_eq!(message, format!("RequestId: {id} Error: Task timed out after 1.00 seconds"));
    let tail = text(&reply.log_tail);
    assert!(tail.contains(&format!(" {id} Task timed out after 1.00 seconds\n")), "{tail}");
    assert!(tail.contains("\tStatus: timeout\t\n"), "{tail}");
    let next = invoke(&functions, &spec, "0").await;
    assert_eq!(text(&next.payload), "\"done\"");
    assert!(next.init.is_some(), "a new worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_exits_or_dies_is_told_as_on_aws() {
    let Some(functions) = start(Options::default()).await else { return };
    let spec = py(
        &functions,
        "import os, signal, sys\n\
         def handler(event, context):\n\
         \x20   print('going')\n\
         \x20   if event == 'segv':\n        os.kill(os.getpid(), signal.SIGSEGV)\n\
         \x20   sys.exit(event)\n",
    )
    .await;
    for (event, why) in [
        ("0", "Runtime exited without providing a reason"),
        ("3", "Runtime exited with error: exit status 3"),
        ("\"segv\"", "Runtime exited with error: signal: segmentation fault"),
    ] {
        let exits = call(event);
        let id = exits.request_id.clone();
        let reply = functions.invoke(Arc::clone(&spec), exits).await.unwrap();
        assert!(reply.init.is_some(), "each on a new worker");
        assert_eq!(
            error_of(&reply),
            ("Runtime.ExitError".to_owned(), format!("RequestId: {id} Error: {why}"))
        );
        let tail = text(&reply.log_tail);
        assert!(tail.contains("\nRuntime.ExitError\nEND RequestId: "), "{tail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_eats_memory_is_killed() {
    let Some(functions) = start(Options::default()).await else { return };
    let spec = py(
        &functions,
        "import time\n\
         def handler(event, context):\n\
         \x20   kept = []\n\
         \x20   for _ in range(64):\n        kept.append(b'x' * (16 << 20))\n        time.sleep(0.02)\n\
         \x20   return len(kept)\n",
    )
    .await;
    let hungry = call("{}");
    let id = hungry.request_id.clone();
    let reply = functions.invoke(Arc::clone(&spec), hungry).await.unwrap();
    let message = format!("RequestId: {id} Error: Runtime exited with error: signal: killed");
    assert_eq!(error_of(&reply), ("Runtime.ExitError".to_owned(), message));
    assert_eq!(reply.max_memory_mb, 256);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_start_is_tried_again_within_the_functions_time() {
    let short = std::time::Duration::from_millis(100);
    let Some(functions) = start(Options { init_timeout: short, ..Options::default() }).await else { return };
    let code = "import time\ntime.sleep(1)\ndef handler(event, context):\n    return 'late'\n";
    let slow = spec(&functions, python(&functions).await, &[("main.py", code)]).await;
    let mut slower = slow.clone();
    (slower.timeout_secs, slower.arn) = (1, format!("{}-slower", slow.arn));
    let reply = invoke(&functions, &Arc::new(slow), "{}").await;
    assert_eq!(text(&reply.payload), "\"late\"");
    assert!(reply.duration >= std::time::Duration::from_secs(1), "the start is part of it");
    let (kind, _) = error_of(&invoke(&functions, &Arc::new(slower), "{}").await);
    assert_eq!(kind, "Sandbox.Timedout");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_executed_is_told() {
    let Some(functions) = start(Options::default()).await else { return };
    let none = Arc::new(spec(&functions, Runtime::ProvidedAl2023, &[("readme", "")]).await);
    let (kind, message) = error_of(&invoke(&functions, &none, "{}").await);
    assert_eq!(kind, "Runtime.InvalidEntrypoint");
    assert!(
        message.ends_with(" Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        "{message}"
    );
    let mut bad = spec(&functions, Runtime::ProvidedAl2, &[("bootstrap", "#!/no/such/shell\n")]).await;
    bad.arn.push_str("-bad");
    let (kind, message) = error_of(&invoke(&functions, &Arc::new(bad), "{}").await);
    assert_eq!(kind, "Runtime.InvalidEntrypoint");
    assert!(
        message.ends_with(" Error: fork/exec /var/task/bootstrap: no such file or directory"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_over_the_limit_is_refused() {
    let Some(functions) = start(Options::default()).await else { return };
    let spec = py(&functions, "def handler(event, context):\n    return 1\n").await;
    let error = functions.invoke(spec, call(&"x".repeat(6_291_557))).await.unwrap_err();
    assert!(matches!(error, InvokeError::PayloadTooLarge { size: 6_291_557, .. }));
    assert!(!error.reached());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_isolation_nothing_runs_unless_told_so() {
    let code = millstream_functions::CodeStore::temporary().unwrap();
    // A program that knows nothing of sandboxes stands for a kernel that refuses them.
    let options = Options { sandbox_exe: "/bin/true".into(), ..Options::default() };
    let functions = Functions::start(code, options).await.unwrap();
    let error = functions.isolation().unwrap_err();
    assert!(error.to_string().contains("--function-isolation process"), "{error}");
    let spec = py(&functions, "def handler(event, context):\n    return 1\n").await;
    let refused = functions.invoke(spec, call("{}")).await.unwrap_err();
    assert!(matches!(refused, InvokeError::Isolation(_)), "{refused}");

    let code = millstream_functions::CodeStore::temporary().unwrap();
    let options = Options { sandbox_exe: sandbox_exe(), isolation: Isolation::Process, ..Options::default() };
    let functions = Functions::start(code, options).await.unwrap();
    let spec = py(
        &functions,
        "import os, subprocess, time\n\
         def handler(event, context):\n\
         \x20   child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n\
         \x20   return [os.environ['LAMBDA_TASK_ROOT'], os.getcwd(), child.pid]\n",
    )
    .await;
    let reply = json(&invoke(&functions, &spec, "{}").await.payload);
    let task = functions.code().materialize(&spec.code).await.unwrap();
    assert_eq!(reply[0], task.to_str().unwrap());
    assert_eq!(reply[1], task.to_str().unwrap());
    let child = std::path::PathBuf::from(format!("/proc/{}", reply[2]));
    assert!(child.exists());
    functions.shutdown().await;
    assert!(!child.exists(), "what a function left behind ends with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_could_not_start_takes_no_invocation() {
    let Some(functions) = start(Options::default()).await else { return };
    let bootstrap = r#"#!/bin/bash
exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}"
body='{"errorType":"Runtime.Broken","errorMessage":"no"}'
printf 'POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s' "${#body}" "$body" >&3
while true; do sleep 1; done
"#;
    let broken = Arc::new(spec(&functions, Runtime::ProvidedAl2023, &[("bootstrap", bootstrap)]).await);
    for _ in 0..2 {
        let reply = invoke(&functions, &broken, "{}").await;
        assert_eq!(error_of(&reply), ("Runtime.Broken".to_owned(), "no".to_owned()));
        assert_eq!(functions.workers().idle, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_eats_memory_while_idle_is_killed() {
    let Some(functions) = start(Options::default()).await else { return };
    let code = "import subprocess, threading, time\n\
                kept = []\n\
                def eat():\n    time.sleep(0.2)\n    kept.append(b'x' * (400 << 20))\n    time.sleep(1000)\n\
                def handler(event, context):\n    subprocess.Popen(['sleep', event])\n    \
                threading.Thread(target=eat).start()\n    return 'fine'\n";
    let greedy = py(&functions, code).await;
    let mark = format!("{}.{}", 200_000 + millstream_host::entropy::u64() % 100_000, std::process::id());
    let reply = invoke(&functions, &greedy, &format!("\"{mark}\"")).await;
    assert_eq!(text(&reply.payload), "\"fine\"");
    // Ends when the worker is gone; nobody invokes it meanwhile, and it does not expire for minutes.
    while !processes_with(&mark).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_may_hold_half_a_character() {
    let Some(functions) = start(Options::default()).await else { return };
    let odd = py(&functions, "def handler(event, context):\n    raise ValueError('a\\ud800b')\n").await;
    let reply = invoke(&functions, &odd, "{}").await;
    assert!(text(&reply.payload).contains(r"a\ud800b"), "{}", text(&reply.payload));
    assert!(invoke(&functions, &odd, "{}").await.init.is_none(), "the worker lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_starts_while_all_ends_is_ended_too() {
    let Some(functions) = start(Options::default()).await else { return };
    let slow = py(&functions, "import time\ndef handler(event, context):\n    time.sleep(1000)\n").await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (functions, slow) = (functions.clone(), Arc::clone(&slow));
        calls.spawn(async move { functions.invoke(slow, call("{}")).await });
    }
    while functions.workers().busy == 0 {
        tokio::task::yield_now().await;
    }
    functions.shutdown().await;
    for outcome in calls.join_all().await {
        let error = outcome.unwrap_err();
        assert!(matches!(error, InvokeError::Lost | InvokeError::ShuttingDown), "{error}");
    }
    // A start that nobody waits for gives its place back a moment later.
    while functions.workers().busy > 0 {
        tokio::task::yield_now().await;
    }
}

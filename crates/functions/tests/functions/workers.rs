//! Workers: reuse, limits, custom runtimes, and what they cannot reach.

use crate::common::{call, invoke, json, py, python, spec, start, text};
use millstream_functions::{InvokeError, Options, Runtime};
use std::sync::Arc;
use std::time::Duration;

/// Answers with a name that is the same only within one worker.
const WHO: &str = "import time, uuid\nme = str(uuid.uuid4())\n\
                   def handler(event, context):\n    time.sleep(event)\n    return me\n";

#[tokio::test(flavor = "multi_thread")]
async fn two_invocations_at_once_have_a_worker_each() {
    let Some(functions) = start(Options::default()).await else { return };
    let spec = py(&functions, WHO).await;
    let (a, b) = tokio::join!(invoke(&functions, &spec, "1"), invoke(&functions, &spec, "1"));
    assert_ne!(a.payload, b.payload);
    let again = invoke(&functions, &spec, "0").await;
    assert!(again.payload == a.payload || again.payload == b.payload, "no third worker");
    assert_eq!(functions.workers().idle, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_revision_gets_a_new_worker() {
    let Some(functions) = start(Options::default()).await else { return };
    let old = py(&functions, WHO).await;
    let first = invoke(&functions, &old, "0").await;
    assert_eq!(invoke(&functions, &old, "0").await.payload, first.payload);
    let mut new = (*old).clone();
    new.revision = "2".to_owned();
    new.environment.insert("X".to_owned(), "y".to_owned());
    let second = invoke(&functions, &Arc::new(new), "0").await;
    assert_ne!(second.payload, first.payload);
    assert_eq!(functions.workers().idle, 1, "the old one is retired");
    functions.retire(&old.arn);
    assert_eq!(functions.workers().idle, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_limited_and_idle_ones_make_room() {
    let Some(functions) = start(Options { max_workers: 1, ..Options::default() }).await else { return };
    let one = py(&functions, WHO).await;
    invoke(&functions, &one, "0").await;
    let mut two = (*one).clone();
    two.arn.push_str("-two");
    let two = Arc::new(two);
    let busy = {
        let (functions, two) = (functions.clone(), Arc::clone(&two));
        tokio::spawn(async move { invoke(&functions, &two, "2").await })
    };
    while functions.workers().busy == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = functions.invoke(one, call("0")).await.unwrap_err();
    assert!(matches!(error, InvokeError::Throttled { limit: 1 }), "{error}");
    assert!(!error.reached());
    assert_eq!(busy.await.unwrap().function_error, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_expires() {
    let expiry = Duration::from_millis(50);
    let Some(functions) = start(Options { idle_expiry: expiry, ..Options::default() }).await else { return };
    let spec = py(&functions, WHO).await;
    invoke(&functions, &spec, "0").await;
    while functions.workers().idle > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(invoke(&functions, &spec, "0").await.init.is_some());
}

/// Speaks HTTP with nothing but the shell.
const SHELL: &str = r#"#!/bin/bash
host=${AWS_LAMBDA_RUNTIME_API%:*} port=${AWS_LAMBDA_RUNTIME_API#*:}
while true; do
  exec 3<>"/dev/tcp/$host/$port"
  printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n' >&3
  length=0
  while IFS= read -r line <&3; do
    line=${line%$'\r'}
    [ -z "$line" ] && break
    case "${line,,}" in
      lambda-runtime-aws-request-id:*) id=${line#*: } ;;
      content-length:*) length=${line#*: } ;;
    esac
  done
  IFS= read -r -N "$length" event <&3
  exec 3>&-
  echo "got $event"
  body="{\"echo\":$event,\"pwd\":\"$PWD\",\"handler\":\"$_HANDLER\"}"
  exec 3<>"/dev/tcp/$host/$port"
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%s\r\n0\r\n\r\n' "$id" "${#body}" "$body" >&3
  cat <&3 >/dev/null
  exec 3>&-
  [ "$event" = '"last"' ] && exit 0
done
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_runtime_is_whatever_bootstrap_does() {
    let Some(functions) = start(Options::default()).await else { return };
    let mut spec = spec(&functions, Runtime::ProvidedAl2023, &[("bootstrap", SHELL)]).await;
    spec.environment.insert("GREETING".to_owned(), "hi".to_owned());
    let spec = Arc::new(spec);
    let reply = invoke(&functions, &spec, "\"one\"").await;
    assert_eq!(text(&reply.payload), r#"{"echo":"one","pwd":"/var/task","handler":"main.handler"}"#);
    assert!(text(&reply.log_tail).contains("\ngot \"one\"\nEND RequestId"), "{}", text(&reply.log_tail));
    let reply = invoke(&functions, &spec, "\"last\"").await;
    assert_eq!(reply.init, None);
    assert_eq!(reply.function_error, None);
    // Its process ends after that answer; the next invocation is not lost with it.
    let reply = invoke(&functions, &spec, "\"three\"").await;
    assert_eq!(json(&reply.payload)["echo"], "three");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_sees_nothing_of_the_host_and_changes_nothing() {
    let Some(functions) = start(Options::default()).await else { return };
    let data = millstream_host::fs::create_unique_dir(&std::env::temp_dir(), "millstream-secret-").unwrap();
    millstream_host::fs::write(&data.join("secret"), b"s").unwrap();
    let code = r"
import os
def tried(what):
    try:
        return what()
    except OSError as error:
        return error.strerror
def write(path):
    with open(path, 'w') as file:
        file.write('x')
def handler(event, context):
    status = dict(line.split(':\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\t' in line)
    return {
        'data': tried(lambda: open(event).read()),
        'root': sorted(os.listdir('/')),
        'task': tried(lambda: write('/var/task/x')),
        'opt': tried(lambda: write('/opt/x')),
        'usr': tried(lambda: write('/usr/x')),
        'top': tried(lambda: write('/x')),
        'core': tried(lambda: write('/proc/sys/kernel/core_pattern')),
        'tmp': tried(lambda: write('/tmp/x')),
        'tmps': os.listdir('/tmp'),
        'pids': len([name for name in os.listdir('/proc') if name.isdigit()]),
        'caps': [status[name] for name in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb')],
        'no_new_privs': status['NoNewPrivs'],
        'fds': sorted(os.listdir('/proc/self/fd')),
        'stderr': tried(lambda: write('/dev/stderr')),
        'users': open('/proc/self/uid_map').read().split(),
        'keys': tried(lambda: os.listdir('/etc/ssl/private')),
        'stdin': os.readlink('/proc/self/fd/0'),
        'unshare': tried(lambda: os.unshare(os.CLONE_NEWUSER)) if hasattr(os, 'unshare') else 'No space left on device',
    }
";
    let spec = py(&functions, code).await;
    let secret = format!("\"{}\"", data.join("secret").display());
    let reply = json(&invoke(&functions, &spec, &secret).await.payload);
    millstream_host::fs::remove_dir_all(&data).unwrap();
    assert_eq!(reply["data"], "No such file or directory");
    for place in ["task", "opt", "usr", "top", "core"] {
        assert_eq!(reply[place], "Read-only file system", "{place}: {reply}");
    }
    assert_eq!(reply["tmp"], serde_json::Value::Null);
    assert_eq!(reply["stderr"], serde_json::Value::Null, "/dev/stderr can be opened");
    assert_eq!(reply["keys"], "No such file or directory");
    println!("users of the sandbox, inside and outside: {}", reply["users"]);
    assert_eq!(reply["tmps"], serde_json::json!(["x"]), "a /tmp of its own");
    assert_eq!(reply["pids"], 2, "itself and process 1");
    assert_eq!(reply["caps"], serde_json::json!(vec!["0000000000000000"; 4]));
    assert_eq!(reply["no_new_privs"], "1");
    assert_eq!(reply["stdin"], "/dev/null");
    let fds = reply["fds"].as_array().unwrap().len();
    assert!(fds <= 6, "0, 1, 2, the log's channel, its connection and the listing: {reply}");
    assert_eq!(reply["unshare"], "Operation not permitted", "no further user namespace");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_cannot_take_the_invocations_of_another() {
    let Some(functions) = start(Options::default()).await else { return };
    let victim =
        py(&functions, "import os\ndef handler(e, c):\n    return os.environ['AWS_LAMBDA_RUNTIME_API']\n")
            .await;
    let address = text(&invoke(&functions, &victim, "{}").await.payload);
    let mut thief = (*py(
        &functions,
        "import urllib.request, urllib.error\n\
         def handler(event, context):\n\
         \x20   try:\n\
         \x20       return urllib.request.urlopen('http://' + event + '/2018-06-01/ping').read().decode()\n\
         \x20   except OSError as error:\n\
         \x20       return 'refused'\n",
    )
    .await)
        .clone();
    thief.arn.push_str("-thief");
    let thief = Arc::new(thief);
    assert_eq!(text(&invoke(&functions, &thief, &address).await.payload), "\"refused\"");
    assert_eq!(
        text(&invoke(&functions, &victim, "{}").await.payload),
        address,
        "the victim is not disturbed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_interpreter_is_named() {
    let Some(functions) = start(Options::default()).await else { return };
    let found = functions.available_runtimes().await;
    for minor in 9..=14 {
        let runtime = Runtime::Python { minor };
        let answer = functions.check_runtime(runtime).await;
        let is_here = found.iter().any(|found| found.runtime == runtime);
        assert_eq!(answer.is_ok(), is_here, "{runtime}");
        if let Err(missing) = answer {
            assert!(missing.to_string().contains(&format!("this machine has no {runtime}")));
        }
    }
    assert_eq!(functions.check_runtime(Runtime::ProvidedAl2023).await, Ok(()));
    let again = python(&functions).await;
    assert!(found.iter().any(|found| found.runtime == again));
}

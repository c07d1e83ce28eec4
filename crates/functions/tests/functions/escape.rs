//! Functions that try to get out of their sandbox. What they try must fail in a defined way, and leave the server and other
//! functions as they were.

use crate::common::{call, invoke, json, py, python, spec, start, text};
use millstream_functions::{FunctionSpec, Functions, Isolation, Network, Options};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

/// What every attempt may use: `tried(f)` gives the name of the error, or what came of it.
const HEAD: &str = r#"
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)

def tried(attempt):
    try:
        return attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))

def system_call(number, *arguments):
    if libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return "done"
"#;

async fn isolated(options: Options) -> Option<Functions> {
    let functions = start(options).await?;
    (functions.isolation().ok()? == Isolation::Namespaces).then_some(functions)
}

async fn attempt(functions: &Functions, body: &str, event: Value) -> Value {
    let function = py(functions, &format!("{HEAD}\ndef handler(event, context):\n{body}")).await;
    // A worker of its own.
    let function = FunctionSpec { revision: millstream_host::entropy::uuid(), ..(*function).clone() };
    let reply = functions.invoke(Arc::new(function), call(&event.to_string())).await.unwrap();
    assert_eq!(reply.function_error, None, "{}", text(&reply.payload));
    json(&reply.payload)
}

/// A second function runs as if nothing had happened.
async fn others_go_on(functions: &Functions) {
    let base =
        spec(functions, python(functions).await, &[("main.py", "def handler(e, c): return 'well'")]).await;
    let other = FunctionSpec { arn: format!("{}-other", base.arn), name: "other".to_owned(), ..base };
    assert_eq!(text(&invoke(functions, &Arc::new(other), "{}").await.payload), "\"well\"");
}

#[tokio::test]
#[cfg(target_arch = "x86_64")]
async fn system_calls_that_reach_outside_are_refused() {
    let Some(functions) = isolated(Options::default()).await else { return };
    let body = r"
    calls = {'ptrace': 101, 'mount': 165, 'umount2': 166, 'pivot_root': 155, 'chroot': 161, 'unshare': 272, 'setns': 308,
             'bpf': 321, 'userfaultfd': 323, 'perf_event_open': 298, 'keyctl': 250, 'add_key': 248, 'kexec_load': 246,
             'init_module': 175, 'process_vm_readv': 310, 'open_by_handle_at': 304, 'settimeofday': 164, 'reboot': 169,
             'io_uring_setup': 425, 'clone3': 435}
    return {name: tried(lambda: system_call(number, 0, 0, 0, 0, 0)) for name, number in calls.items()}";
    let told = attempt(&functions, body, json!({})).await;
    for (name, error) in told.as_object().unwrap() {
        let expected = if matches!(name.as_str(), "clone3" | "io_uring_setup") { "ENOSYS" } else { "EPERM" };
        assert_eq!(error, expected, "{name}");
    }
    let body = r"
    flags = {'user': 0x10000000, 'mount': 0x20000, 'net': 0x40000000, 'pid': 0x20000000}
    return {name: tried(lambda: system_call(56, flag | 17, 0, 0, 0, 0)) for name, flag in flags.items()}";
    for (name, error) in attempt(&functions, body, json!({})).await.as_object().unwrap() {
        assert_eq!(error, "EPERM", "clone with a new {name} namespace");
    }
    others_go_on(&functions).await;
}

#[tokio::test]
async fn sockets_of_other_kinds_do_not_exist() {
    let Some(functions) = isolated(Options::default()).await else { return };
    let body = r"
    return {
        'packet': tried(lambda: socket.socket(17, socket.SOCK_RAW).close()),
        'vsock': tried(lambda: socket.socket(40, socket.SOCK_STREAM).close()),
        'raw': tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()),
        'stream': tried(lambda: socket.socket().close()),
    }";
    let told = attempt(&functions, body, json!({})).await;
    assert_eq!(told["packet"], "EAFNOSUPPORT");
    assert_eq!(told["vsock"], "EAFNOSUPPORT");
    assert_eq!(told["raw"], "EPERM");
    assert_eq!(told["stream"], Value::Null);
}

#[tokio::test]
async fn the_hosts_files_are_not_there_and_the_systems_cannot_be_changed() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { work_dir: Some(directory.path().join("run")), ..Options::default() };
    let Some(functions) = isolated(options).await else { return };
    let secret = directory.path().join("secret");
    millstream_host::fs::write(&secret, b"s3cret").unwrap();
    let body = r"
    def write(path):
        with open(path, 'w') as file:
            file.write('x')
    return {
        'secret': tried(lambda: open(event['secret']).read()),
        'run': tried(lambda: os.listdir(event['run'])),
        'code': tried(lambda: os.listdir(event['code'])),
        'task': tried(lambda: write('/var/task/main.py')),
        'usr': tried(lambda: write('/usr/x')),
        'etc': tried(lambda: write('/etc/passwd')),
        'root': tried(lambda: write('/x')),
        'sysctl': tried(lambda: write('/proc/sys/kernel/core_pattern')),
        'by_root_of_1': tried(lambda: os.listdir('/proc/1/root/home')),
        'environment_of_1': tried(lambda: open('/proc/1/environ').read()),
        'processes': len([name for name in os.listdir('/proc') if name.isdigit()]),
        'tmp': tried(lambda: write('/tmp/mine')),
    }";
    let event = json!({
        "secret": secret, "run": directory.path().join("run"), "code": functions.code().directory(),
    });
    let told = attempt(&functions, body, event).await;
    for gone in ["secret", "run", "code"] {
        assert_eq!(told[gone], "ENOENT", "{gone}");
    }
    for sealed in ["task", "usr", "etc", "root", "sysctl"] {
        let error = told[sealed].as_str().unwrap_or("written");
        assert!(matches!(error, "EROFS" | "EACCES" | "EPERM"), "{sealed}: {error}");
    }
    for of_process_1 in ["by_root_of_1", "environment_of_1"] {
        let error = told[of_process_1].as_str().unwrap_or("read");
        assert!(matches!(error, "EACCES" | "EPERM" | "ENOENT"), "{of_process_1}: {error}");
    }
    assert!(told["processes"].as_u64().unwrap() <= 4, "{told}");
    assert_eq!(told["tmp"], Value::Null);
}

#[tokio::test]
async fn the_hosts_abstract_sockets_are_out_of_reach() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
    let Some(functions) = isolated(Options::default()).await else { return };
    let name = format!("millstream-test-{}", millstream_host::entropy::uuid());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    UnixStream::connect_addr(&address).unwrap();
    let body = r"
    with socket.socket(socket.AF_UNIX) as stream:
        return tried(lambda: stream.connect('\0' + event['name']))";
    let told = attempt(&functions, body, json!({ "name": name })).await;
    if told == Value::Null {
        println!("SKIPPED: this kernel's Landlock is older than 6.12 and knows no scopes");
        return;
    }
    assert_eq!(told, "EPERM");
}

#[tokio::test]
async fn a_fork_bomb_stays_in_its_sandbox() {
    let Some(functions) = isolated(Options::default()).await else { return };
    let body = r"
    count = 0
    try:
        while count < 5000:
            if os.fork() == 0:
                import time
                time.sleep(600)
            count += 1
    except OSError as error:
        return [count, errno.errorcode[error.errno]]
    return [count, 'none']";
    let function = spec(
        &functions,
        python(&functions).await,
        &[("main.py", &format!("{HEAD}\ndef handler(event, context):\n{body}"))],
    )
    .await;
    let function = Arc::new(FunctionSpec { memory_mb: 10_240, ..function });
    let reply = functions.invoke(function, call("{}")).await.unwrap();
    // Where processes are not counted for each sandbox, its memory is the limit.
    if reply.function_error.is_none() {
        let told = json(&reply.payload);
        assert!(told[0].as_u64().unwrap() <= 1_024 && told[1] == "EAGAIN", "{told}");
    }
    others_go_on(&functions).await;
}

#[tokio::test]
async fn files_and_space_have_limits() {
    let Some(functions) = isolated(Options::default()).await else { return };
    let body = r"
    files = []
    def open_many():
        while len(files) < 100_000:
            files.append(open('/dev/null'))
    def fill():
        with open('/tmp/large', 'wb') as file:
            for _ in range(2_000):
                file.write(bytes(1 << 20))
    opened = tried(open_many)
    many = len(files)
    files.clear()
    return [opened, many, tried(fill)]";
    let base = py(&functions, &format!("{HEAD}\ndef handler(event, context):\n{body}")).await;
    let function = Arc::new(FunctionSpec { memory_mb: 4_096, ephemeral_mb: 512, ..(*base).clone() });
    let reply = functions.invoke(function, call("{}")).await.unwrap();
    let told = json(&reply.payload);
    assert_eq!((&told[0], &told[2]), (&json!("EMFILE"), &json!("ENOSPC")), "{told}");
    assert!(told[1].as_u64().unwrap() < 1_024, "{told}");
    others_go_on(&functions).await;
}

/// A server that says what it is to whoever connects.
fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

const REACH: &str = r"
    def reach(address):
        host, port = address.rsplit(':', 1)
        with socket.create_connection((host, int(port)), 5) as stream:
            stream.sendall(b'hello')
            return stream.recv(100).decode()
    home = os.environ.get('AWS_ENDPOINT_URL', '').removeprefix('http://')
    return {
        'home': tried(lambda: reach(home)) if home else 'unset',
        'other': tried(lambda: reach(event['other'])),
        'interfaces': [name for _, name in socket.if_nameindex()],
    }";

#[tokio::test]
async fn a_function_may_be_left_with_the_endpoint_only() {
    let (home, home_address) = listener();
    let (_other, other_address) = listener();
    let options = Options {
        network: Network::EndpointOnly,
        endpoint_url: Some(format!("http://{home_address}")),
        ..Options::default()
    };
    let Some(functions) = isolated(options).await else { return };
    let answering = millstream_host::threads::spawn("home", move || {
        let (mut stream, _) = home.accept().unwrap();
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).unwrap();
        stream.write_all(b"home").unwrap();
    })
    .unwrap();
    let told = attempt(&functions, REACH, json!({ "other": other_address })).await;
    assert_eq!(told["home"], "home", "{told}");
    assert_eq!(told["other"], "ECONNREFUSED", "{told}");
    assert_eq!(told["interfaces"], json!(["lo"]));
    answering.join().unwrap();
    others_go_on(&functions).await;
}

#[tokio::test]
async fn a_function_may_be_left_without_any_network() {
    let (_home, home_address) = listener();
    let options = Options {
        network: Network::None,
        endpoint_url: Some(format!("http://{home_address}")),
        ..Options::default()
    };
    let Some(functions) = isolated(options).await else { return };
    let told = attempt(&functions, REACH, json!({ "other": home_address })).await;
    assert_eq!((&told["home"], &told["other"]), (&json!("unset"), &json!("ECONNREFUSED")), "{told}");
}

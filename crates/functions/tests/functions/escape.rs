//! Functions that try to get out of their sandbox. What they try must fail in a defined way, and leave the server and other
//! functions as they were.

use crate::common::{call, invoke, json, py, python, spec, start, text};
use landlock::{CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
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

const CALLS: &str = r"
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == 'x86_64'
# name: (number on x86_64, number on aarch64, arguments)
CALLS = {
    'mount': (165, 40, (b'none', b'/tmp', b'tmpfs', 0, 0)),
    'umount': (166, 39, (b'/tmp', 0)),
    'pivot_root': (155, 41, (b'/tmp', b'/tmp')),
    'chroot': (161, 51, (b'/tmp',)),
    'open_tree': (428, 428, (-100, b'/', 0)),
    'fsopen': (430, 430, (b'tmpfs', 0)),
    'a user namespace': (272, 97, (0x10000000,)),
    'a user namespace by clone': (56, 220, (0x10000000 | 17, 0, 0, 0, 0)),
    'a network namespace by clone': (56, 220, (0x40000000 | 17, 0, 0, 0, 0)),
    'setns': (308, 268, (0, 0)),
    'ptrace': (101, 117, (16, 1, 0, 0)),
    'process_vm_readv': (310, 270, (1, 0, 0, 0, 0, 0)),
    'pidfd_getfd': (438, 438, (0, 0, 0)),
    'bpf': (321, 280, (0, 0, 0)),
    'perf_event_open': (298, 241, (0, 0, -1, -1, 0)),
    'userfaultfd': (323, 282, (1,)),
    'io_uring_setup': (425, 425, (1, 0)),
    'keyctl': (250, 219, (0, -3, 0)),
    'add_key': (248, 217, (b'user', b'x', b'x', 1, -2)),
    'open_by_handle_at': (304, 265, (-100, 0, 0)),
    'kexec_load': (246, 104, (0, 0, 0, 0)),
    'init_module': (175, 105, (0, 0, b'')),
    'reboot': (169, 142, (0, 0, 0, 0)),
    'settimeofday': (164, 170, (0, 0)),
    'sethostname': (170, 161, (b'x', 1)),
    'syslog': (103, 116, (3, 0, 0)),
    'raw socket': (41, 198, (2, 3, 1)),
    'raw socket with a flag': (41, 198, (10, 3 | 0o2000000, 58)),
    'packet socket': (41, 198, (17, 2, 0)),
    'vsock': (41, 198, (40, 1, 0)),
    'alg socket': (41, 198, (38, 5, 0)),
    'list of sockets': (41, 198, (16, 3, 4)),
    'typing': (16, 29, (1, 0x5412, b'x')),
    'clone3': (435, 435, (0, 0)),
}
if x86:
    CALLS['x32 mount'] = (0x40000000 | 165, None, (b'none', b'/tmp', b'tmpfs', 0, 0))
    CALLS['x32 ptrace'] = (0x40000000 | 521, None, (16, 1, 0, 0))
def handler(event, context):
    found = {}
    for name, (on_x86, on_arm, arguments) in CALLS.items():
        ctypes.set_errno(0)
        answer = libc.syscall(ctypes.c_long(on_x86 if x86 else on_arm), *arguments)
        if answer == 0 and 'clone' in name:
            os._exit(0)
        found[name] = errno.errorcode.get(ctypes.get_errno()) if answer == -1 else 'done'
    import socket, threading
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    found['interfaces'] = len(socket.if_nameindex()) > 0
    thread = threading.Thread(target=found.update, args=({'thread': os.fork},))
    thread.start()
    thread.join()
    found['thread'] = 'thread' in found
    return found
";

#[tokio::test]
async fn system_calls_that_reach_outside_are_refused() {
    let Some(functions) = isolated(Options::default()).await else { return };
    let told = json(&invoke(&functions, &py(&functions, CALLS).await, "{}").await.payload);
    let told = told.as_object().unwrap();
    for (name, answer) in told {
        match name.as_str() {
            "interfaces" | "thread" => assert_eq!(answer, true, "{name}"),
            // So that libraries do the same in another way.
            "clone3" | "io_uring_setup" => assert_eq!(answer, "ENOSYS", "{name}"),
            "packet socket" | "vsock" | "alg socket" => assert_eq!(answer, "EAFNOSUPPORT", "{name}"),
            _ => assert_eq!(answer, "EPERM", "{name}"),
        }
    }
    assert!(told.len() > 30);
    others_go_on(&functions).await;
}

#[tokio::test]
async fn programs_of_other_languages_start_under_the_filter() {
    let Some(functions) = isolated(Options::default()).await else { return };
    let body = r"
    import shutil, subprocess
    found = {}
    for program, arguments in event.items():
        path = shutil.which(program, path='/usr/local/bin:/usr/bin:/bin')
        if path:
            ran = subprocess.run([path, *arguments], capture_output=True, text=True)
            found[program] = [ran.returncode, ran.stderr[-300:]]
    return found";
    let base = py(&functions, &format!("{HEAD}\ndef handler(event, context):\n{body}")).await;
    let function = Arc::new(FunctionSpec { memory_mb: 2_048, timeout_secs: 120, ..(*base).clone() });
    let node = "const {Worker} = require('worker_threads'); \
                require('fs').promises.readFile('/etc/passwd').then(() => new Worker('process.exit(0)', {eval: true}))";
    let programs = json!({
        "java": ["-Xmx64m", "-version"], "node": ["-e", node], "perl": ["-e", "fork or exit 0; wait"],
        "bash": ["-c", "cat <(echo x) | grep x"],
    });
    let told = json(&functions.invoke(function, call(&programs.to_string())).await.unwrap().payload);
    println!("started: {:?}", told.as_object().unwrap().keys().collect::<Vec<_>>());
    assert!(told["bash"].is_array(), "{told}");
    for (program, ended) in told.as_object().unwrap() {
        assert_eq!(ended[0], 0, "{program}: {ended}");
    }
}

/// Another function, whose environment and /tmp hold a secret.
async fn with_secret(functions: &Functions) -> Arc<FunctionSpec> {
    let code = "import os\nopen('/tmp/mine', 'w').write('x')\n\
                def handler(event, context):\n    return [os.environ['SECRET'], os.listdir('/tmp'), os.listdir('/var/task')]\n";
    let base = spec(functions, python(functions).await, &[("main.py", code), ("hidden.txt", "code")]).await;
    let environment = [("SECRET".to_owned(), "hidden".to_owned())].into();
    Arc::new(FunctionSpec {
        arn: format!("{}-victim", base.arn),
        name: "victim".to_owned(),
        environment,
        ..base
    })
}

#[tokio::test]
async fn another_function_and_the_server_are_neither_seen_nor_signalled() {
    let Some(functions) = isolated(Options::default()).await else { return };
    let victim = with_secret(&functions).await;
    let its_own = json!(["hidden", ["mine"], ["hidden.txt", "main.py"]]);
    let in_order = |mut told: Value| {
        told[2].as_array_mut().unwrap().retain(|name| name != "__pycache__");
        told[2].as_array_mut().unwrap().sort_by_key(ToString::to_string);
        told
    };
    assert_eq!(in_order(json(&invoke(&functions, &victim, "{}").await.payload)), its_own);
    let body = r"
    import signal
    environments = []
    for name in os.listdir('/proc'):
        if name.isdigit() and name != str(os.getpid()):
            environments.append(tried(lambda: open(f'/proc/{name}/environ').read()))
    return {
        'tmp': os.listdir('/tmp'),
        'code': os.path.exists('/var/task/hidden.txt'),
        'kept': tried(lambda: os.listdir(event['code'])),
        'environments': environments,
        'kill first': tried(lambda: os.kill(1, signal.SIGKILL)),
        'kill server': tried(lambda: os.kill(event['server'], signal.SIGKILL)),
        'server': os.path.exists('/proc/%d' % event['server']),
        'memory of first': tried(lambda: open('/proc/1/mem', 'rb').read(1)),
        'files of first': tried(lambda: os.listdir('/proc/1/fd')),
        'device': tried(lambda: os.mknod('/tmp/sda', 0o60600, os.makedev(8, 0))),
    }";
    let event = json!({ "server": std::process::id(), "code": functions.code().directory() });
    let told = attempt(&functions, body, event).await;
    assert_eq!(
        (&told["tmp"], &told["code"], &told["kept"]),
        (&json!([]), &json!(false), &json!("ENOENT")),
        "{told}"
    );
    assert_eq!(told["environments"], json!(["EACCES"]), "process 1 and no other");
    for (refused, error) in [
        ("kill first", "EPERM"),
        ("kill server", "ESRCH"),
        ("memory of first", "EACCES"),
        ("files of first", "EACCES"),
        ("device", "EPERM"),
    ] {
        assert_eq!(told[refused], error, "{refused}: {told}");
    }
    assert_eq!(told["server"], false);
    let again = invoke(&functions, &victim, "{}").await;
    assert_eq!(in_order(json(&again.payload)), its_own);
    assert!(again.init.is_none(), "the victim is not disturbed");
}

#[tokio::test]
async fn memory_without_a_process_has_a_limit_too() {
    let Some(functions) = isolated(Options::default()).await else { return };
    let body = r"
    file = os.memfd_create('x')
    return tried(lambda: os.ftruncate(file, 1 << 40))";
    assert_eq!(attempt(&functions, body, json!({})).await, "EFBIG");
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
    let hard = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    if hard.scope(Scope::AbstractUnixSocket).is_err() {
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

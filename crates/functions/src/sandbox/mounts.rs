//! The file system that a function sees: a small tmpfs with read-only windows onto the host.

use super::init::{Refused, Step};
use super::plan::{Confine, Plan};
use super::{FUNCTION_GID, FUNCTION_UID};
use millstream_host::fs;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::pivot_root;
use std::path::{Path, PathBuf};

/// Where the sandbox finds its own program once the host's files are gone.
pub(super) const INNER_EXE: &str = "/.sandbox-init";

const NONE: Option<&str> = None;
/// What programs need to start at all. On a merged-/usr system all but the first are symbolic links.
const SYSTEM: [&str; 8] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32", "/etc/alternatives"];
/// What libraries look up: the linker's cache, names, certificates (never keys), time zone.
const ETC: [&str; 16] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    "/etc/mime.types",
];
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// Parts of /proc that belong to the machine and not to the function. A function of a server that runs as root would
/// pass the file-mode checks of many of them without any capability.
const PROC_SEALED: [&str; 5] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"];
const PROC_HIDDEN: [&str; 7] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/kallsyms",
];

/// The path of the host that every function sees and that `directory` is in, if there is one.
pub(crate) fn shown_around(directory: &Path) -> Option<&'static str> {
    let real = directory.canonicalize();
    let real = real.as_deref().unwrap_or(directory);
    SYSTEM.iter().chain(&ETC).copied().find(|shown| {
        directory.starts_with(shown) || Path::new(shown).canonicalize().is_ok_and(|at| real.starts_with(at))
    })
}

/// Build the new root, make it the root, and leave the host's files behind. Returns what could not be had.
pub(super) fn build_root(plan: &Plan) -> Result<Vec<String>, Refused> {
    let mut notes = Vec::new();
    let root = &plan.root;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).step("make mounts private")?;
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), root, Some("tmpfs"), safe, Some("size=1m,mode=755")).step("mount a new root")?;

    for path in SYSTEM.iter().chain(&ETC).map(Path::new) {
        link_or_bind(root, path)?;
    }
    for path in &plan.read_only {
        bind_read_only(path, &below(root, path)).step_at("show", path)?;
    }
    for device in DEVICES.map(Path::new) {
        bind(device, &below(root, device)).step_at("bind the device", device)?;
    }
    for (name, target) in [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        symlink(format!("/proc/self/{target}"), &root.join("dev").join(name))?;
    }
    for (from, to) in [(&plan.task, "/var/task"), (&plan.opt, "/opt"), (&plan.runtime, "/var/runtime")] {
        bind_read_only(from, &below(root, Path::new(to))).step_at("show", Path::new(to))?;
    }
    if let Some(lang) = &plan.lang {
        symlink(lang, &root.join("var/lang"))?;
    }
    write_accounts(root)?;
    let tmp = root.join("tmp");
    fs::create_dir_all(&tmp).step("make /tmp")?;
    let size = format!("size={}m,mode=1777", plan.tmp_mb);
    mount(Some("tmpfs"), &tmp, Some("tmpfs"), safe, Some(size.as_str())).step("mount /tmp")?;
    show_own_program(root)?;
    if let Err(error) = mount_proc(root) {
        // Entering the nested user namespace goes through /proc.
        if plan.run.confine == Confine::Nested {
            return Err(error).step("mount /proc");
        }
        notes.push(format!(
            "the kernel refuses a /proc for functions ({error}); they run without one. \
             In a container, its /proc must not be masked (docker: --security-opt systempaths=unconfined)"
        ));
    }

    std::env::set_current_dir(root).step("enter the new root")?;
    pivot_root(".", ".").step("change the root")?;
    umount2(".", MntFlags::MNT_DETACH).step("leave the host's files")?;
    std::env::set_current_dir("/").step("enter the new root")?;
    Ok(notes)
}

/// The last step: nothing of the root or of /proc's machine-wide parts can be changed any more.
pub(super) fn seal_root() -> Result<(), Refused> {
    for path in PROC_SEALED.map(Path::new).into_iter().filter(|path| path.exists()) {
        bind_read_only(path, path).step_at("seal", path)?;
    }
    for path in PROC_HIDDEN.map(Path::new).into_iter().filter(|path| path.exists()) {
        mount(Some("/dev/null"), path, NONE, MsFlags::MS_BIND, NONE).step_at("hide", path)?;
    }
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(NONE, "/", NONE, flags | MsFlags::MS_NOSUID | MsFlags::MS_NODEV, NONE).step("seal the root")
}

fn mount_proc(root: &Path) -> Result<(), nix::Error> {
    let target = root.join("proc");
    fs::create_dir_all(&target)
        .map_err(|error| nix::Error::from_raw(error.raw_os_error().unwrap_or_default()))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &target, Some("proc"), flags, NONE)
}

/// The last stage is this program once more. If it was replaced on disk meanwhile, /proc/self/exe still serves.
fn show_own_program(root: &Path) -> Result<(), Refused> {
    let inner = below(root, Path::new(INNER_EXE));
    // By its name: what /proc/self/exe itself leads to is a mount of the host, which cannot be bound in here.
    let program = std::fs::read_link("/proc/self/exe").step("find this program")?;
    if !program.exists() || bind_read_only(&program, &inner).is_err() {
        fs::remove_file(&inner).step("do without this program's file")?;
    }
    Ok(())
}

fn write_accounts(root: &Path) -> Result<(), Refused> {
    let passwd = format!(
        "root:x:0:0:root:/root:/sbin/nologin\n\
         sbx_user1051:x:{FUNCTION_UID}:{FUNCTION_GID}::/home/sbx_user1051:/sbin/nologin\n"
    );
    let group = format!("root:x:0:\nsbx_user1051:x:{FUNCTION_GID}:\n");
    fs::create_dir_all(&root.join("etc")).step("make /etc")?;
    fs::write(&root.join("etc/passwd"), passwd.as_bytes()).step("write /etc/passwd")?;
    fs::write(&root.join("etc/group"), group.as_bytes()).step("write /etc/group")
}

/// The same path below `root`.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn link_or_bind(root: &Path, path: &Path) -> Result<(), Refused> {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return Ok(()) };
    // A link such as /bin -> usr/bin stays one; the files in /etc are links to places that are not shown.
    if meta.is_symlink() && !path.starts_with("/etc") {
        let target = std::fs::read_link(path).step_at("read the link", path)?;
        return symlink(&target, &below(root, path));
    }
    if !path.exists() {
        return Ok(());
    }
    bind_read_only(path, &below(root, path)).step_at("show", path)
}

fn symlink(target: impl AsRef<Path>, link: &Path) -> Result<(), Refused> {
    if let Some(parent) = link.parent() {
        fs::create_dir_all(parent).step_at("make", parent)?;
    }
    std::os::unix::fs::symlink(target, link).step_at("link", link)
}

fn bind(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
    } else if !to.exists() {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(to, b"")?;
    }
    Ok(mount(Some(from), to, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?)
}

fn bind_read_only(from: &Path, to: &Path) -> std::io::Result<()> {
    bind(from, to)?;
    // MS_RDONLY does not reach the mounts below the one named. A file has none, and the table is long.
    let table = if to.is_dir() { fs::read_to_string(Path::new("/proc/self/mountinfo")).ok() } else { None };
    remount_read_only(to)?;
    for mounted in table
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(mount_point)
        .filter(|path| path.starts_with(to) && path != to)
    {
        remount_read_only(&mounted)?;
    }
    Ok(())
}

/// In a user namespace the flags of an inherited mount may not be taken away, so those that are set are set again.
fn remount_read_only(path: &Path) -> std::io::Result<()> {
    let has = statvfs(path)?.flags();
    let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID;
    for (set, flag) in [
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        if has.contains(set) {
            flags |= flag;
        }
    }
    Ok(mount(NONE, path, NONE, flags, NONE)?)
}

/// The fifth field of a line of /proc/self/mountinfo, with its octal escapes (blank, tab, newline, backslash) undone.
fn mount_point(line: &str) -> Option<PathBuf> {
    let field = line.split(' ').nth(4)?;
    let plain = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (escape, plain)| text.replace(escape, plain));
    Some(PathBuf::from(plain))
}

trait StepAt<T> {
    fn step_at(self, step: &str, path: &Path) -> Result<T, Refused>;
}

impl<T, E: std::fmt::Display> StepAt<T> for Result<T, E> {
    fn step_at(self, step: &str, path: &Path) -> Result<T, Refused> {
        self.step(format!("{step} {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::{mount_point, shown_around};
    use std::path::Path;

    #[test]
    fn a_directory_below_a_system_path_is_shown() {
        assert_eq!(shown_around(Path::new("/usr/local/share/no-such-data")), Some("/usr"));
        assert_eq!(shown_around(Path::new("/bin")).is_some(), Path::new("/bin").exists());
        assert_eq!(shown_around(Path::new("/var/lib/no-such-data")), None);
    }

    #[test]
    fn a_mount_point_may_hold_a_blank() {
        let line = r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line).as_deref(), Some(Path::new("/mnt 2")));
        assert_eq!(mount_point("36 35"), None);
    }
}

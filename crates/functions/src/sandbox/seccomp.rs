//! System calls that no function needs.
//!
//! A list of what is forbidden, not of what is allowed: runtimes change what they call with every release, and a function
//! that worked must go on working. It holds what the default profile of container engines holds back from a process
//! without capabilities: other processes' memory, mounts and namespaces, the kernel's keys, tracing, modules, clocks, and
//! interfaces with a history of holes (`bpf`, `userfaultfd`, `io_uring`, `perf_event_open`). Most of it the missing
//! capabilities forbid as well: this is the second wall.

use super::init::{Refused, Step};
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// By its number: libc does not name it for musl on aarch64.
#[cfg(target_arch = "x86_64")]
const KEXEC_FILE_LOAD: i64 = 320;
#[cfg(not(target_arch = "x86_64"))]
const KEXEC_FILE_LOAD: i64 = 294;

/// Answered with "operation not permitted".
const FORBIDDEN: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    KEXEC_FILE_LOAD,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_name_to_handle_at,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    libc::SYS_vmsplice,
];

/// Those of one architecture only.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[i64] = &[libc::SYS_ioperm, libc::SYS_iopl, libc::SYS_modify_ldt, libc::SYS_uselib];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_HERE: &[i64] = &[];

/// Answered with "no such system call", upon which libraries do the same in another way. The flags of `clone3` are in
/// memory, where a filter cannot see them.
const UNKNOWN: &[i64] =
    &[libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// Every flag of `clone` that makes a namespace.
const NEW_NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// Kinds of sockets that there are for functions: Unix, IPv4, IPv6, and netlink, which name lookups ask for addresses.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// The bits of a socket's type that are no flags.
const TYPE_MASK: u64 = 0xf;
/// Requests of `ioctl` that type into a terminal.
const TYPING: [u64; 2] = [0x5412, 0x541c];

/// The x32 calls of x86_64 have a bit set in their number. Few kernels have them, and these have them refused too.
#[cfg(target_arch = "x86_64")]
const X32_BIT: i64 = 0x4000_0000;
/// Those of them with a number of their own: ptrace, kexec_load, vmsplice, move_pages, process_vm_readv and _writev.
#[cfg(target_arch = "x86_64")]
const X32_FORBIDDEN: [i64; 6] = [521, 528, 532, 533, 539, 540];

/// From here on this process and all that it starts live with the filters.
pub(super) fn restrict() -> Result<(), Refused> {
    let refusals: [(Rules, i32); 3] = [
        (forbidden().step("write the system call filter")?, libc::EPERM),
        (UNKNOWN.iter().map(|&call| (call, Vec::new())).collect(), libc::ENOSYS),
        (other_families().step("write the system call filter")?, libc::EAFNOSUPPORT),
    ];
    for (rules, error) in refusals {
        let program = program(rules, error).step("write the system call filter")?;
        apply_filter(&program).step("filter system calls")?;
    }
    Ok(())
}

fn program(rules: Rules, error: i32) -> Result<BpfProgram, seccompiler::BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    #[cfg(target_arch = "x86_64")]
    let rules = with_x32(rules);
    let error = SeccompAction::Errno(error.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, error, arch)?.try_into()
}

#[cfg(target_arch = "x86_64")]
fn with_x32(mut rules: Rules) -> Rules {
    let x32: Rules = rules.iter().map(|(number, rules)| (number | X32_BIT, rules.clone())).collect();
    if rules.contains_key(&libc::SYS_ptrace) {
        rules.extend(X32_FORBIDDEN.map(|number| (number | X32_BIT, Vec::new())));
    }
    rules.extend(x32);
    rules
}

fn forbidden() -> Result<Rules, seccompiler::BackendError> {
    let calls = FORBIDDEN.iter().chain(FORBIDDEN_HERE);
    let mut rules: Rules = calls.map(|&call| (call, Vec::new())).collect();
    let mut namespaces = Vec::new();
    for bit in (0..32).map(|bit| 1_u64 << bit) {
        if u64::from(NEW_NAMESPACES.cast_unsigned()) & bit != 0 {
            let is_set = SeccompCmpOp::MaskedEq(bit);
            namespaces.push(SeccompRule::new(vec![condition(0, is_set, bit)?])?);
        }
    }
    rules.insert(libc::SYS_clone, namespaces);
    let typing: Result<Vec<_>, _> = TYPING
        .iter()
        .map(|&request| SeccompRule::new(vec![condition(1, SeccompCmpOp::Eq, request)?]))
        .collect();
    rules.insert(libc::SYS_ioctl, typing?);
    rules.insert(libc::SYS_socket, raw_sockets()?);
    Ok(rules)
}

/// Packets of one's own making, and of netlink all but what lists interfaces and routes.
fn raw_sockets() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let is = |argument, value: i32| condition(argument, SeccompCmpOp::Eq, u64::from(value.unsigned_abs()));
    let raw = || condition(1, SeccompCmpOp::MaskedEq(TYPE_MASK), u64::from(libc::SOCK_RAW.unsigned_abs()));
    let route = u64::from(libc::NETLINK_ROUTE.unsigned_abs());
    Ok(vec![
        SeccompRule::new(vec![is(0, libc::AF_INET)?, raw()?])?,
        SeccompRule::new(vec![is(0, libc::AF_INET6)?, raw()?])?,
        SeccompRule::new(vec![is(0, libc::AF_NETLINK)?, condition(2, SeccompCmpOp::Ne, route)?])?,
    ])
}

fn other_families() -> Result<Rules, seccompiler::BackendError> {
    let none_of: Result<Vec<_>, _> = FAMILIES
        .iter()
        .map(|family| condition(0, SeccompCmpOp::Ne, u64::from(family.unsigned_abs())))
        .collect();
    Ok(BTreeMap::from([(libc::SYS_socket, vec![SeccompRule::new(none_of?)?])]))
}

fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

#[cfg(test)]
mod tests {
    use super::{forbidden, other_families, program};
    use nix::libc;

    #[test]
    fn the_filters_can_be_written_for_this_machine() {
        assert!(!program(forbidden().unwrap(), libc::EPERM).unwrap().is_empty());
        assert!(!program(other_families().unwrap(), libc::EAFNOSUPPORT).unwrap().is_empty());
        assert_eq!(forbidden().unwrap()[&libc::SYS_clone].len(), 7, "one rule for each kind of namespace");
    }

    #[test]
    fn what_runtimes_cannot_do_without_is_not_forbidden() {
        let rules = forbidden().unwrap();
        for call in [libc::SYS_execve, libc::SYS_futex, libc::SYS_mmap, libc::SYS_seccomp, libc::SYS_prctl] {
            assert!(!rules.contains_key(&call), "{call}");
        }
        for looked_at in [libc::SYS_clone, libc::SYS_socket, libc::SYS_ioctl] {
            assert!(!rules[&looked_at].is_empty(), "{looked_at} is not forbidden as a whole");
        }
    }
}

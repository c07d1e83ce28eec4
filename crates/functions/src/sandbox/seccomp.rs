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
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
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
];

/// Those of one architecture only.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[i64] = &[libc::SYS_ioperm, libc::SYS_iopl, libc::SYS_modify_ldt];
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
    let error = SeccompAction::Errno(error.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, error, arch)?.try_into()
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
    Ok(rules)
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
}

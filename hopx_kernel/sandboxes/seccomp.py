"""Which system calls a local sandbox has. Imports the standard library only.

An allow list: what Docker's and Flatpak's profiles allow, without what no notebook needs. A call that is not on it fails
as one that the kernel does not know (``ENOSYS``), so that libraries fall back as they do on an older kernel; one that is
known to break out of sandboxes, or to reach into other processes, fails for want of rights (``EPERM``).
"""

from __future__ import annotations

import errno
import os

from .bpf import ALLOW, Check, build_filter, refuse
from .system_calls import call_numbers

__all__ = ["ALLOWED", "CHECKED", "FORBIDDEN", "filter_program"]

#: Kernel's numbers for the calling conventions (``AUDIT_ARCH_*``).
_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALLOWED = _names(
    # Files.
    """
    access cachestat chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
    fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock
    fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch lchown lgetxattr link linkat listxattr llistxattr
    lremovexattr lseek lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv
    preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr rename renameat
    renameat2 rmdir sendfile setxattr splice stat statfs statx symlink symlinkat sync sync_file_range syncfs tee
    truncate umask unlink unlinkat utime utimensat utimes write writev
    """
    # Memory.
    """
    brk madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap mseal
    msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
    """
    # Processes and threads, users and rights.
    """
    alarm arch_prctl capget capset execve execveat exit exit_group fork futex futex_requeue futex_wait futex_waitv
    futex_wake get_robust_list get_thread_area getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid
    getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get kill
    landlock_add_rule landlock_create_ruleset landlock_restrict_self pause pidfd_open pidfd_send_signal prctl
    restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
    sched_getparam sched_getscheduler sched_rr_get_interval sched_yield seccomp set_robust_list set_thread_area
    set_tid_address setfsgid setfsuid setgid setgroups setpgid setregid setresgid setresuid setreuid setrlimit
    setsid setuid sigaltstack sysinfo tgkill times tkill uname vfork wait4 waitid
    """
    # Waiting, time and chance.
    """
    clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2
    epoll_wait eventfd eventfd2 getitimer getrandom gettimeofday nanosleep pipe pipe2 poll ppoll pselect6 select
    setitimer signalfd signalfd4 time timer_create timer_delete timer_getoverrun timer_gettime timer_settime
    timerfd_create timerfd_gettime timerfd_settime
    """
    # Sockets, once they are there.
    """
    accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg
    sendmsg sendto shutdown
    """
)

#: Known to break out of sandboxes, or to reach into other processes.
FORBIDDEN = _names(
    # Other processes' memory and descriptors.
    """
    kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace
    """
    # Namespaces and mounts.
    """
    chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root setns
    umount2 unshare
    """
    # The kernel itself, and the machine.
    """
    _sysctl acct adjtimex bpf clock_adjtime clock_settime create_module delete_module fanotify_init fanotify_mark
    finit_module init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kexec_file_load kexec_load
    name_to_handle_at open_by_handle_at perf_event_open quotactl quotactl_fd reboot setdomainname sethostname
    settimeofday swapoff swapon syslog uselib userfaultfd vhangup
    """
    # Keys: a process carries those of its user's session into any namespace.
    """
    add_key keyctl request_key
    """
)

#: Namespaces of every kind, in the flags of ``clone``: CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID and NET.
_NEW_NAMESPACES = 0x7E020000

#: The launcher, which is of the same user as all that it starts.
_PROCESS_1 = 1

_PRIO_USER, _IOPRIO_WHO_USER = 2, 3

_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_NETLINK_ROUTE = 0  # which getaddrinfo and lists of interfaces ask
_IP_PROTOCOLS = (0, 1, 6, 17, 58)  # any, ICMP, TCP, UDP, ICMPv6

_SOL_SOCKET, _BUFFER_SIZES = 1, (7, 8)  # SO_SNDBUF and SO_RCVBUF; those that force want a capability

_DONE = 0  # an errno that says that all is well

_TERMINAL_REQUESTS = (0x5412, 0x541C, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCSETD

_THIS_PERSONALITY = (0, 0xFFFFFFFF)  # Linux's own, and the question what it is

#: Calls that are allowed with some arguments only.
CHECKED: dict[str, tuple[Check, ...]] = {
    # Its flags are in memory for clone3, where no filter can look: that one is unknown, and the C library takes this one.
    "clone": (Check(0, never_bits=_NEW_NAMESPACES),),
    "ioctl": (Check(1, never=_TERMINAL_REQUESTS),),
    "personality": (Check(0, only=_THIS_PERSONALITY),),
    "prlimit64": (Check(0, never=(_PROCESS_1,)),),
    "setpriority": (Check(0, never=(_PRIO_USER,)), Check(1, never=(_PROCESS_1,))),
    "ioprio_set": (Check(0, never=(_IOPRIO_WHO_USER,)), Check(1, never=(_PROCESS_1,))),
    **{
        name: (Check(0, never=(_PROCESS_1,)),)
        for name in ("sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler")
    },
    "socket": (
        Check(0, only=(_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK), code=errno.EAFNOSUPPORT),
        Check(2, only=(_NETLINK_ROUTE,), given=(0, _AF_NETLINK), code=errno.EPROTONOSUPPORT),
        Check(2, only=_IP_PROTOCOLS, given=(0, _AF_INET), code=errno.EPROTONOSUPPORT),
        Check(2, only=_IP_PROTOCOLS, given=(0, _AF_INET6), code=errno.EPROTONOSUPPORT),
    ),
    "socketpair": (Check(0, only=(_AF_UNIX,), code=errno.EAFNOSUPPORT),),
    # Buffers keep the size that the system gives every socket, since no limit of a process counts them. Programs are told
    # that it went well, as the kernel tells them of sizes that it does not give either.
    "setsockopt": (Check(2, never=_BUFFER_SIZES, given=(1, _SOL_SOCKET), code=_DONE),),
}


def filter_program(machine: str | None = None) -> bytes | None:
    """The program, as bubblewrap's ``--seccomp`` takes it; None for a machine whose calls are not known here."""
    machine = machine or os.uname().machine
    if machine not in _ARCHES:
        return None
    verdicts: dict[int, int | tuple[Check, ...]] = {}
    for name, number in call_numbers(machine).items():
        if name in ALLOWED:
            verdicts[number] = ALLOW
        elif name in FORBIDDEN:
            verdicts[number] = refuse(errno.EPERM)
        elif name in CHECKED:
            verdicts[number] = CHECKED[name]
    return build_filter(_ARCHES[machine], verdicts, refuse(errno.ENOSYS))

//! What threads wait for: `/proc/PID/task/TID/syscall`, and `/proc/PID/fdinfo` of an epoll.

use std::collections::HashSet;

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// For what comes to, or goes by, this descriptor: accept, receive, read, send, write.
    On(u32),
    /// For one of several descriptors, which nobody tells: poll, select, io_uring.
    Polling,
    /// For one of those that this epoll knows.
    Epoll(u32),
    /// For something else that may take its time: time itself, a child, a signal, another thread.
    Elsewhere,
    /// It runs, or is in a call that is over in a moment, or nobody knows.
    Unknown,
}

/// Set in the numbers of calls by the x32 ABI.
const X32_BIT: libc::c_long = 0x4000_0000;

/// Reads what a thread waits for: `running`, or number, six arguments, stack and program counter.
///
/// Numbers mean something else to 32-bit programs, which are known by their stack.
pub fn waiting(text: &[u8]) -> Waiting {
    read(text).unwrap_or(Waiting::Unknown)
}

fn read(text: &[u8]) -> Option<Waiting> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split_ascii_whitespace();
    // `running` is no number, and outside of any call it is -1.
    let call: libc::c_long = words.next()?.parse().ok().filter(|&call| call >= 0)?;
    let mut next = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let argument = next()?;
    let mut others = [0; 6];
    for other in &mut others {
        *other = next()?;
    }
    let stack = others[5];
    if call & X32_BIT != 0 || u32::try_from(stack).is_ok() {
        return None;
    }
    // The upper half of a register is no part of a descriptor.
    Some(waits_in(call, argument as u32))
}

/// What a call waits for; `fd` is its first argument.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn waits_in(call: libc::c_long, fd: u32) -> Waiting {
    use libc as c;
    // Newer machines than x86-64 have no longer: poll and select, and epoll_wait.
    #[cfg(target_arch = "x86_64")]
    match call {
        c::SYS_poll | c::SYS_select => return Waiting::Polling,
        c::SYS_epoll_wait => return Waiting::Epoll(fd),
        c::SYS_pause => return Waiting::Elsewhere,
        _ => {}
    }
    match call {
        c::SYS_accept | c::SYS_accept4 | c::SYS_connect => Waiting::On(fd),
        c::SYS_read | c::SYS_readv | c::SYS_write | c::SYS_writev => Waiting::On(fd),
        c::SYS_recvfrom | c::SYS_recvmsg | c::SYS_recvmmsg => Waiting::On(fd),
        c::SYS_sendto | c::SYS_sendmsg | c::SYS_sendmmsg => Waiting::On(fd),
        c::SYS_ppoll | c::SYS_pselect6 | c::SYS_io_uring_enter => Waiting::Polling,
        c::SYS_io_getevents | IO_PGETEVENTS => Waiting::Polling,
        c::SYS_epoll_pwait | c::SYS_epoll_pwait2 => Waiting::Epoll(fd),
        c::SYS_nanosleep | c::SYS_clock_nanosleep | c::SYS_futex => Waiting::Elsewhere,
        c::SYS_wait4 | c::SYS_waitid => Waiting::Elsewhere,
        c::SYS_rt_sigsuspend | c::SYS_rt_sigtimedwait => Waiting::Elsewhere,
        // Others wait for a disk or a lock, and are about to come back; or they go on with what
        // nobody knows.
        _ => Waiting::Unknown,
    }
}

/// Not in libc for every machine.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const IO_PGETEVENTS: libc::c_long = if cfg!(target_arch = "x86_64") {
    333
} else {
    292
};

/// Elsewhere calls have other numbers, and several go by one.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn waits_in(_call: libc::c_long, _fd: u32) -> Waiting {
    Waiting::Unknown
}

/// What an epoll waits for, by what `/proc/PID/fdinfo` says of it: lines of
/// `tfd: FD events: … data: … pos: … ino:HEX sdev:HEX`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpollTargets {
    inodes: HashSet<u64>,
    /// Of Linux before 4.13, which tells no inode.
    fds: HashSet<u32>,
}

impl EpollTargets {
    /// Reads the text; lines that make no sense are passed over.
    pub fn parse(fdinfo: &[u8]) -> EpollTargets {
        let mut targets = EpollTargets::default();
        for line in fdinfo.split(|&byte| byte == b'\n') {
            let Some(line) = line.strip_prefix(b"tfd:") else {
                continue;
            };
            let Ok(line) = std::str::from_utf8(line) else {
                continue;
            };
            let word = |text: &str| text.split_ascii_whitespace().next().map(str::to_owned);
            match line.split("ino:").nth(1) {
                Some(rest) => {
                    let digits = word(rest).unwrap_or_default();
                    targets.inodes.extend(u64::from_str_radix(&digits, 16));
                }
                None => {
                    let fd = word(line).and_then(|word| word.parse::<u32>().ok());
                    targets.fds.extend(fd);
                }
            }
        }
        targets
    }

    /// Whether it knows a socket that is held under these descriptors.
    pub fn knows(&self, fds: &[u32], inode: u64) -> bool {
        self.inodes.contains(&inode) || fds.iter().any(|fd| self.fds.contains(fd))
    }
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blocked(call: libc::c_long, argument: u64) -> String {
        format!("{call} {argument:#x} 0x1 0x2 0x3 0x4 0x5 0x7ffe00001000 0x7f0000001000\n")
    }

    fn epoll_knows(fdinfo: &[u8], fds: &[u32], inode: u64) -> bool {
        EpollTargets::parse(fdinfo).knows(fds, inode)
    }

    #[track_caller]
    fn check(call: libc::c_long, expected: Waiting) {
        assert_eq!(waiting(blocked(call, 7).as_bytes()), expected);
    }

    #[test]
    fn calls_tell_what_is_waited_for() {
        check(libc::SYS_accept4, Waiting::On(7));
        check(libc::SYS_recvfrom, Waiting::On(7));
        check(libc::SYS_read, Waiting::On(7));
        check(libc::SYS_ppoll, Waiting::Polling);
        check(libc::SYS_io_uring_enter, Waiting::Polling);
        check(libc::SYS_epoll_pwait, Waiting::Epoll(7));
        check(libc::SYS_clock_nanosleep, Waiting::Elsewhere);
        check(libc::SYS_wait4, Waiting::Elsewhere);
        check(libc::SYS_restart_syscall, Waiting::Unknown);
        check(libc::SYS_openat, Waiting::Unknown);
        check(libc::SYS_accept | X32_BIT, Waiting::Unknown);
        #[cfg(target_arch = "x86_64")]
        {
            check(libc::SYS_poll, Waiting::Polling);
            check(libc::SYS_epoll_wait, Waiting::Epoll(7));
        }
    }

    #[test]
    fn a_descriptor_has_32_bits() {
        let text = blocked(libc::SYS_accept, 0xffff_8888_0000_0007);
        assert_eq!(waiting(text.as_bytes()), Waiting::On(7));
    }

    #[test]
    fn who_is_not_blocked_in_a_call_of_ours_is_unknown() {
        for text in [
            "running\n",
            "-1 0x7ffe00001000 0x7f0000001000\n",
            "",
            "x",
            "99999999999999999999 0x1",
            // A 32-bit program.
            "43 0x7 0x1 0x2 0x3 0x4 0x5 0xfffe0000 0xf7000000\n",
        ] {
            assert_eq!(waiting(text.as_bytes()), Waiting::Unknown, "{text}");
        }
        let text = blocked(libc::SYS_accept, 7);
        // The program counter is not needed.
        for cut in 0..text.len() - " 0x7f0000001000\n".len() - 8 {
            assert_eq!(waiting(&text.as_bytes()[..cut]), Waiting::Unknown, "{cut}");
        }
    }

    const FDINFO: &[u8] = b"pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t1057\n\
        tfd:        5 events:       19 data: 11  pos:0 ino:1a2b sdev:8\n\
        tfd:        6 events:       19 data: ino  pos:0 ino:77 sdev:8\n";

    #[test]
    fn an_epoll_knows_sockets_by_inode() {
        assert!(epoll_knows(FDINFO, &[], 0x1a2b));
        assert!(epoll_knows(FDINFO, &[], 0x77));
        assert!(!epoll_knows(FDINFO, &[5, 6], 0x78));
        assert!(!epoll_knows(FDINFO, &[5], 1057));
        for cut in 0..FDINFO.len() {
            epoll_knows(&FDINFO[..cut], &[5], 0x1a2b);
        }
    }

    #[test]
    fn an_older_epoll_knows_descriptors() {
        let text = b"pos:\t0\ntfd:        5 events:       19 data:                5\n";
        assert!(epoll_knows(text, &[4, 5], 1));
        assert!(!epoll_knows(text, &[4], 1));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            near in "(tfd: )?[-0-9a-fx: ]{0,60}(ino:)?[0-9a-f ]{0,30}",
        ) {
            for text in [&bytes[..], near.as_bytes()] {
                let _ = (waiting(text), epoll_knows(text, &[1], 1));
            }
        }
    }
}

//! Where a process that holds a socket comes from, and whether it serves it.

/// What tells a server from somebody who merely inherited its socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Its words, as they were given to it; empty for a kernel thread. `None` where they could not
    /// be read, or nobody asked.
    pub command_line: Option<Vec<Vec<u8>>>,
    /// Whether something was asked of it that the kernel did not answer in time, so that the rest
    /// is not known: it may be stuck there with its memory or its files locked.
    pub is_stuck: bool,
    /// Whether it can be ended as others can.
    pub condition: Condition,
    /// Its user, who owns what it opens. Source: the effective one in `Uid` of
    /// `/proc/PID/status`; `None` where that cannot be read.
    pub user: Option<u32>,
    /// Its parent.
    pub parent: Option<Parent>,
    /// Its process group. Source: field 5 of `/proc/PID/stat`.
    pub group: u32,
    /// Whether the process that leads the group still exists.
    pub group_leader_lives: bool,
    /// Its session. Source: field 6 of `/proc/PID/stat`.
    pub session: u32,
    /// Whether the process that leads the session still exists.
    pub session_leader_lives: bool,
    /// Whether it has executed a program since it was forked. A worker has not, as a rule. Source:
    /// `PF_FORKNOEXEC` in field 9 of `/proc/PID/stat`.
    pub has_executed: bool,
    /// Whether it waits for what comes in on the socket: blocked in accept of it, polling, or with
    /// an epoll that knows it. `None` where that cannot be seen.
    pub serves: Option<bool>,
    /// Whether exec closes its descriptor of the socket (O_CLOEXEC), so that it did not come
    /// through one. `None` where that cannot be seen. Source: `flags` of `/proc/PID/fdinfo`.
    pub close_on_exec: Option<bool>,
    /// Whether it runs the program that its parent runs, as what was forked and did not exec does.
    /// `None` where that cannot be seen. Source: `/proc/PID/exe`.
    pub runs_as_parent: Option<bool>,
}

/// What keeps a process from ending when it is told to. Source: field 3 of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing, as far as is known.
    #[default]
    Usual,
    /// It is stopped, as by Ctrl-Z: it takes no signal but SIGCONT and SIGKILL until it goes on.
    Stopped,
    /// A debugger has stopped it.
    Traced,
    /// It waits in the kernel, for a disk or a file server, and takes no signal at all.
    Uninterruptible,
    /// Its first thread has ended; the others go on and have what it held.
    LeaderEnded,
}

/// The parent of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// Its pid; 1 when the first parent has ended and nobody else adopts.
    pub pid: u32,
    /// Its name; empty where it cannot be read.
    pub comm: Vec<u8>,
    /// Its session; `None` where it cannot be read.
    pub session: Option<u32>,
    /// Its user; `None` where that cannot be read.
    pub user: Option<u32>,
    /// Whether it lives in the same network namespace and its descriptors may not be read, so that
    /// nobody sees which sockets it holds there.
    pub is_closed: bool,
    /// Whether it has the name of this child.
    pub is_namesake: bool,
}

//! What a network namespace is called.

use std::borrow::Cow;

use super::Entrance;
use super::shown::shown;

/// Length of a container's id, in hexadecimal digits.
const ID_LEN: usize = 64;
/// As many of them do, and are shown by container tools.
const SHORT_ID_LEN: usize = 12;

/// A network namespace, by its number and by what people call it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its inode, the number in `net:[4026531840]`; `None` where that may not be read.
    pub inode: Option<u64>,
    /// `host` for that of the first process, else what `ip netns` calls it; `None` when it has
    /// neither or that cannot be told.
    pub name: Option<Vec<u8>>,
    /// The container whose processes live in it, by id or name.
    pub container: Option<Vec<u8>>,
    /// A process that lives in it, where one is known.
    pub pid: Option<u32>,
    /// How commands get there; `None` where whoever asks is there already, or that is not known.
    pub entrance: Option<Entrance>,
}

/// Which network namespace is meant, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetnsId {
    /// That of an inode.
    Inode(u64),
    /// One of which not even the inode may be read: that with this process among its
    /// [processes](Namespace::pid).
    Process(u32),
    /// The only one that is looked at.
    Here,
    /// None of those that are looked at.
    Elsewhere,
}

impl Namespace {
    /// What tells it from others; `None` where nothing does.
    pub fn id(&self) -> Option<NetnsId> {
        let inode = self.inode.map(NetnsId::Inode);
        inode.or_else(|| self.pid.map(NetnsId::Process))
    }

    /// Whether it is the one that is meant.
    pub fn is(&self, id: NetnsId) -> bool {
        match id {
            NetnsId::Inode(inode) => self.inode == Some(inode),
            NetnsId::Process(pid) => self.pid == Some(pid),
            NetnsId::Here => true,
            NetnsId::Elsewhere => false,
        }
    }

    /// Its name, else its container, of which an id is cut as container tools cut it. One of
    /// which not even the inode may be read goes by a process: `pid:812`.
    pub fn name(&self) -> Option<Cow<'_, [u8]>> {
        let name = self.name.as_deref();
        let name = name.or_else(|| self.container.as_deref().map(short_container));
        match (name, self.inode, self.pid) {
            (Some(name), ..) => Some(Cow::Borrowed(name)),
            (None, None, Some(pid)) => Some(Cow::Owned(format!("pid:{pid}").into_bytes())),
            (None, ..) => None,
        }
    }

    /// What it is called in a column: its name, or its inode.
    pub fn label(&self) -> Cow<'_, [u8]> {
        let inode = || self.inode.map(|inode| inode.to_string().into_bytes());
        let name = self.name().or_else(|| inode().map(Cow::Owned));
        name.unwrap_or(Cow::Borrowed(b"?"))
    }

    /// The same within words of ours, whatever it holds.
    pub fn shown(&self) -> String {
        shown(&self.label())
    }
}

/// The beginning of a container's id, as container tools cut it; a name as it is.
pub fn short_container(container: &[u8]) -> &[u8] {
    let is_id = container.len() == ID_LEN && container.iter().all(u8::is_ascii_hexdigit);
    if is_id {
        &container[..SHORT_ID_LEN]
    } else {
        container
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: Option<&str>, container: Option<&str>, inode: Option<u64>, label: &str) {
        let namespace = Namespace {
            inode,
            name: name.map(|name| name.as_bytes().to_vec()),
            container: container.map(|container| container.into()),
            pid: Some(812),
            entrance: None,
        };
        assert_eq!(namespace.label(), label.as_bytes());
    }

    #[test]
    fn the_best_name_is_shown() {
        let id = "0a".repeat(32);
        check(Some("blue"), Some(&id), Some(7), "blue");
        check(None, Some(&id), Some(7), "0a0a0a0a0a0a");
        check(None, Some("web"), Some(7), "web");
        check(None, None, Some(7), "7");
        check(None, None, None, "pid:812");
    }

    #[test]
    fn within_words_a_name_is_no_words() {
        let namespace = Namespace {
            name: Some(b"x\nportstat: \xff".to_vec()),
            ..Namespace::default()
        };
        assert_eq!(namespace.shown(), r"x\x0aportstat: \xff");
    }
}

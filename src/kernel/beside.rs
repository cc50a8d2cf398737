//! A network namespace that may not be entered, as far as `/proc` shows it to everybody: the files
//! in `/proc/PID/net` of a process that lives there.

use std::fs::File;
use std::io;
use std::path::Path;

use super::netns::{NamespaceTables, NetworkNamespace};
use crate::model::EntryRights;

/// A network namespace seen from outside.
#[derive(Debug)]
pub struct Beside {
    tables: NamespaceTables,
    inode: Option<u64>,
    name: Option<Vec<u8>>,
    /// Why it may not be entered.
    refusal: String,
    lacks: EntryRights,
}

impl Beside {
    /// What these tables show; the reason is why nothing else does.
    pub(super) const fn new(
        tables: NamespaceTables,
        inode: Option<u64>,
        name: Option<Vec<u8>>,
        refusal: String,
        lacks: EntryRights,
    ) -> Beside {
        Beside {
            tables,
            inode,
            name,
            refusal,
            lacks,
        }
    }

    /// Opens a file by its name on the machine. Settings of the network are those of whoever reads
    /// them, so those of another namespace cannot be read.
    pub(super) fn open(&self, name: &str) -> io::Result<File> {
        match name.strip_prefix("proc/net/") {
            Some(table) => self.tables.open(table),
            None if name.starts_with("proc/sys/net/") => Err(self.refusal()),
            None => File::open(Path::new("/").join(name)),
        }
    }

    /// Why the kernel cannot be asked there.
    pub(super) fn refusal(&self) -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, self.refusal.clone())
    }

    /// Whether these are tables of the same namespace.
    pub(super) fn is_of(&self, tables: &NamespaceTables) -> bool {
        self.tables.is_same(tables)
    }

    /// Whether it is this namespace.
    pub(super) fn is(&self, namespace: &NetworkNamespace) -> bool {
        namespace.shows(&self.tables)
    }

    /// What it takes to enter it.
    pub const fn lacks(&self) -> EntryRights {
        self.lacks
    }

    pub(super) const fn inode(&self) -> Option<u64> {
        self.inode
    }

    pub(super) fn name(&self) -> Option<&[u8]> {
        self.name.as_deref()
    }
}

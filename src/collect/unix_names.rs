//! The names of all unix sockets, by inode: a dump of its own, as the socket that another one is
//! connected to may be listed later than it, or not at all.

use std::collections::HashMap;
use std::io;

use super::batch::{Batch, Flow, Receiver};
use super::{Method, Request, collect};
use crate::kernel::Host;
use crate::model::{DetailSet, NameSpan, Names, Protocol, StateSet};

/// Names by inode.
#[derive(Debug, Default)]
pub struct UnixNames {
    spans: HashMap<u32, NameSpan>,
    names: Names,
    /// Those whom a server accepted have its name, one after another.
    last: Option<NameSpan>,
}

impl UnixNames {
    /// Reads the names of all sockets; of what cannot be read there is none.
    pub fn read(host: &Host, method: Method) -> UnixNames {
        let request = Request {
            tables: Protocol::Unix.tables().collect(),
            states: StateSet::ALL,
            details: DetailSet::NONE,
            method,
            condition: None,
        };
        let mut names = UnixNames::default();
        // Whoever lists the sockets says what could not be read.
        let _ = collect(host, &request, &mut names);
        names
    }

    /// The name of the socket with this inode.
    pub fn of(&self, inode: u32) -> Option<&[u8]> {
        self.spans.get(&inode).map(|span| self.names.get(*span))
    }
}

impl Receiver for UnixNames {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        for socket in &batch.sockets {
            let (Some(name), Ok(inode)) = (batch.name(socket), u32::try_from(socket.inode)) else {
                continue;
            };
            if self.last.is_none_or(|last| self.names.get(last) != name) {
                self.last = self.names.push(name);
            }
            self.spans.extend(self.last.map(|span| (inode, span)));
        }
        Ok(Flow::More)
    }

    /// The same sockets come again, and have the same names.
    fn take_back(&mut self) -> bool {
        true
    }
}

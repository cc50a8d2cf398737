//! Programs that run inside of the kernel (BPF), called for everything of a kind that there is.
//!
//! They need privileges, a kernel that is recent enough and its own description of its types. So
//! nothing depends on them: whatever fails is an [`Unavailable`]. A program is loaded as it
//! stands here, without a compiler or a library, and is gone when its walk ends. It changes
//! nothing, and what leaves the kernel by it are the few numbers of its records.

use std::io;

use super::privilege::effective_capabilities;

mod btf;
mod instruction;
mod iterator;
mod sock_common;
pub(super) mod task_file;
mod types;

pub use sock_common::{tcp_flags, udp_flags};
use types::{TYPES, in_types};

/// Bit of the capability to load programs, and of the one to let them read the kernel's data.
const CAP_BPF: u64 = 1 << 39;
const CAP_PERFMON: u64 = 1 << 38;
/// Implies both.
const CAP_SYS_ADMIN: u64 = 1 << 21;

/// Why BPF does not tell what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// It counts processes as the first pid namespace does, and we see others in `/proc`.
    #[error("not in the first pid namespace")]
    PidNamespace,
    /// CAP_BPF or CAP_PERFMON is missing, or held in a user namespace only.
    #[error("needs CAP_BPF and CAP_PERFMON")]
    Permission,
    /// Pointers are not 64 bits long here.
    #[error("not on this architecture")]
    Architecture,
    /// The description of types lacks one, or is damaged.
    #[error("{TYPES} does not describe {0}")]
    Type(&'static str),
    /// The kernel refused a step; the source is its answer.
    #[error("cannot {step}: {error}")]
    Refused {
        /// What was to be done.
        step: &'static str,
        /// The answer.
        error: io::Error,
    },
    /// What was read is not made of whole records; its length in bytes.
    #[error("{0} bytes are no records")]
    Record(usize),
}

/// Whether the kernel has a state for TCP sockets that are bound and do not listen, without which
/// it does not list them; `None` where it does not describe its types. Needs no privilege.
pub fn describes_bound_sockets() -> Option<bool> {
    let states = in_types(|btf| Ok((btf.has(c"TCP_LISTEN"), btf.has(c"TCP_BOUND_INACTIVE"))));
    match states.ok()? {
        (_, true) => Some(true),
        (true, false) => Some(false),
        // They may be described without states.
        (false, false) => None,
    }
}

fn refused(step: &'static str) -> impl FnOnce(io::Error) -> Unavailable {
    move |error| Unavailable::Refused { step, error }
}

/// Whether it makes sense to try to load a program; cheap beside doing so.
fn permitted() -> Result<(), Unavailable> {
    if cfg!(not(target_pointer_width = "64")) {
        return Err(Unavailable::Architecture);
    }
    let held = effective_capabilities();
    let needed = CAP_BPF | CAP_PERFMON;
    if held & CAP_SYS_ADMIN == 0 && held & needed != needed {
        return Err(Unavailable::Permission);
    }
    Ok(())
}

#[cfg(test)]
mod tests;

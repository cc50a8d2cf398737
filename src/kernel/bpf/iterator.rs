//! The walks of the kernel that call a program for all that they meet.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use super::btf::{Btf, Type};
use super::instruction::{EXIT, Instruction, SEQ_WRITE, add, call, copy, load64, set};
use super::types::offset;
use super::{Unavailable, refused};

/// The programs call functions that are offered to free software only. This is that name of
/// portstat's own licence (MIT or Apache-2.0, at the user's choice) that the kernel knows.
const LICENSE: &CStr = c"Dual MIT/GPL";
/// The kernel gathers records in a buffer of 32 KiB, so no read returns more.
const READ_LEN: usize = 64 << 10;

/// An iterator of the kernel.
///
/// A program gets a pointer to the arguments of its function, 8 bytes each. The first is a
/// `struct bpf_iter_meta *`, the others are what was met; null pointers when the walk is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KernelIterator {
    /// Id of the type of its function.
    pub(super) function: u32,
    /// `bpf_iter_meta.seq`, in bytes from the start of the struct.
    pub(super) seq: i16,
}

/// How many instructions end a program, and which of them end one that has nothing to write.
const ENDING: usize = 8;
#[cfg(test)]
pub(super) const NOTHING_TO_WRITE: usize = 6;

impl KernelIterator {
    /// Takes what was found of a function by this name and of `bpf_iter_meta`.
    pub(super) fn new(
        btf: Btf<'_>,
        name: &'static CStr,
        function: Option<Type<'_>>,
        meta: Option<Type<'_>>,
    ) -> Result<KernelIterator, Unavailable> {
        Ok(KernelIterator {
            function: function
                .ok_or(Unavailable::Type(name.to_str().unwrap_or("an iterator")))?
                .id,
            seq: offset(btf, meta, c"seq", "bpf_iter_meta.seq")?,
        })
    }

    /// The end of every program: writes the record at `record` on the stack, of as many bytes.
    /// Register 6 has to point to the arguments.
    pub(super) const fn ending(&self, record: i16, length: usize) -> [Instruction; ENDING] {
        [
            load64(1, 6, 0),        // meta
            load64(1, 1, self.seq), // first argument: where to write
            copy(2, 10),
            add(2, record as i32), // second: the record
            set(3, length as i32), // third: its length
            call(SEQ_WRITE),       // without room the kernel calls again for the same thing
            set(0, 0),             // carry on, whatever came of it
            EXIT,
        ]
    }

    /// Walks, and shows each record that the program writes to `take`.
    pub(super) fn walk<const LENGTH: usize>(
        &self,
        program: &[Instruction],
        take: impl FnMut(&[u8; LENGTH]),
    ) -> Result<(), Unavailable> {
        let program = load(program, self.function).map_err(refused("load a program"))?;
        let link = attach(&program).map_err(refused("attach a program"))?;
        let iterator = iterate(&link).map_err(refused("start an iterator"))?;
        read(&iterator, take)
    }
}

/// Commands of bpf(2).
const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;
const ITER_CREATE: libc::c_int = 33;
/// `BPF_PROG_TYPE_TRACING`: a program at a place in the kernel that has a name.
const TRACING: u32 = 26;
/// `BPF_TRACE_ITER`: the place is an iterator.
const ITER: u32 = 28;

/// What [`PROG_LOAD`] takes: the beginning of `union bpf_attr`, up to its last field that is not
/// zero here.
#[repr(C)]
#[derive(Default)]
struct Load {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_len: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
    btf_fd: u32,
    function_len: u32,
    functions: u64,
    function_count: u32,
    line_len: u32,
    lines: u64,
    line_count: u32,
    attach_id: u32,
}

fn load(program: &[Instruction], function: u32) -> io::Result<OwnedFd> {
    let mut name = [0; 16];
    name[..8].copy_from_slice(b"portstat");
    bpf(
        PROG_LOAD,
        &Load {
            program_type: TRACING,
            instruction_count: program.len() as u32,
            instructions: program.as_ptr() as u64,
            license: LICENSE.as_ptr() as u64,
            name,
            attach_type: ITER,
            attach_id: function,
            ..Load::default()
        },
    )
}

/// `prog_fd`, `target_fd` (unused), `attach_type`, `flags`.
fn attach(program: &OwnedFd) -> io::Result<OwnedFd> {
    bpf(LINK_CREATE, &[program.as_raw_fd() as u32, 0, ITER, 0])
}

/// `link_fd`, `flags`.
fn iterate(link: &OwnedFd) -> io::Result<OwnedFd> {
    bpf(ITER_CREATE, &[link.as_raw_fd() as u32, 0])
}

/// Calls bpf(2) for a command that returns a descriptor.
#[allow(unsafe_code)]
fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: The kernel reads as many bytes of `attributes` as it is long, and what they point
    // to: instructions, as many as are said, and a licence that ends with a zero, both of which
    // outlive the call. It writes nothing, as no log is asked for.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    match i32::try_from(fd) {
        // SAFETY: The kernel made this descriptor for us, and nothing else owns it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn read<const LENGTH: usize>(
    iterator: &OwnedFd,
    mut take: impl FnMut(&[u8; LENGTH]),
) -> Result<(), Unavailable> {
    let mut buffer = vec![0; READ_LEN];
    loop {
        match rustix::io::read(iterator, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => records(&buffer[..length])?.iter().for_each(&mut take),
            // The kernel rests after a million things of which none was told, and carries on
            // from there.
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(refused("read from the iterator")(error.into())),
        }
    }
}

fn records<const LENGTH: usize>(bytes: &[u8]) -> Result<&[[u8; LENGTH]], Unavailable> {
    match bytes.as_chunks() {
        (records, []) => Ok(records),
        _ => Err(Unavailable::Record(bytes.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_whole() {
        assert_eq!(records(b"abcdef").unwrap(), [*b"abc", *b"def"]);
        let cut = records::<3>(b"abcde");
        assert!(matches!(cut, Err(Unavailable::Record(5))));
    }
}

//! Who holds which socket, told by the kernel at once: a BPF program is called for every open
//! file of every process, and writes a record for each socket.
//!
//! It is the walk of `holders` made inside of the kernel, ten times as fast where there are
//! many files, and needs privileges, a kernel of 5.8 or later and its own description of its types. So
//! nothing depends on it: whatever fails is an [`Unavailable`], and `/proc` is walked instead.
//! The program is loaded as it stands here, without a compiler or a library, and is gone when the
//! scan ends. It changes nothing, and nothing but inodes and numbers leaves the kernel by it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::{ptr, slice};

use rustix::fs::fstatfs;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::btf::{Btf, Kind, Type};
use super::host::{INITIAL_PID_NAMESPACE, namespace_inode};
use super::visibility::effective_capabilities;
use crate::model::Holder;

/// The kernel's description of its own types.
const TYPES: &str = "/sys/kernel/btf/vmlinux";
/// The magic number of the file system that it is in.
const SYSFS_MAGIC: libc::c_long = 0x6265_6572;
/// The function whose arguments the program gets; the program is an implementation of it.
const ITERATOR: &str = "bpf_iter_task_file";
/// The program calls functions that are offered to free software only. This is that name of
/// portstat's own licence (MIT or Apache-2.0, at the user's choice) that the kernel knows.
const LICENSE: &[u8] = b"Dual MIT/GPL\0";

/// Bit of the capability to load programs, and of the one to let them read the kernel's data.
const CAP_BPF: u64 = 1 << 39;
const CAP_PERFMON: u64 = 1 << 38;
/// Implies both.
const CAP_SYS_ADMIN: u64 = 1 << 21;

/// The kernel gathers records in a buffer of 32 KiB, so no read returns more.
const READ_LEN: usize = 64 << 10;
/// A record: inode (u64), pid (u32), descriptor (u32), in the byte order of the machine.
const RECORD_LEN: usize = 16;

/// Why BPF does not tell who holds what.
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

fn refused(step: &'static str) -> impl FnOnce(io::Error) -> Unavailable {
    move |error| Unavailable::Refused { step, error }
}

/// Whether it makes sense to try; cheap beside the scan itself.
pub(super) fn permitted() -> Result<(), Unavailable> {
    if cfg!(not(target_pointer_width = "64")) {
        return Err(Unavailable::Architecture);
    }
    // Of the first pid namespace we are seen in no other, so a /proc that has us is of it too.
    if namespace_inode("pid") != Some(INITIAL_PID_NAMESPACE) {
        return Err(Unavailable::PidNamespace);
    }
    let held = effective_capabilities();
    let needed = CAP_BPF | CAP_PERFMON;
    if held & CAP_SYS_ADMIN == 0 && held & needed != needed {
        return Err(Unavailable::Permission);
    }
    Ok(())
}

/// Every socket's inode and one holder of it, in no order, of all processes of the machine.
///
/// As in `/proc/PID/fd`, the files of a process are those of its first thread. When that has
/// ended they are those of the others; if these are several, each tells of them.
pub(super) fn scan() -> Result<Vec<(u64, Holder)>, Unavailable> {
    permitted()?;
    let layout = with_types(Layout::resolve).map_err(refused("read the kernel's types"))??;
    let program = load(&program(&layout), layout.iterator).map_err(refused("load a program"))?;
    let link = attach(&program).map_err(refused("attach a program"))?;
    let iterator = iterate(&link).map_err(refused("start an iterator"))?;
    read_records(&iterator)
}

/// Shows the description of the kernel's types to `take`.
///
/// It has some 5 MB. From 6.16 on it can be mapped, in a tenth of a millisecond; to copy it takes
/// four.
#[allow(unsafe_code)]
fn with_types<T>(take: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
    let mut file = File::open(TYPES)?;
    let length = file.metadata()?.len() as usize;
    if fstatfs(&file)?.f_type as libc::c_long == SYSFS_MAGIC {
        let (read, private) = (ProtFlags::READ, MapFlags::PRIVATE);
        // SAFETY: A new mapping, at a place of the kernel's choice, touches no memory of ours.
        if let Ok(start) = unsafe { mmap(ptr::null_mut(), length, read, private, &file, 0) } {
            // SAFETY: The kernel maps no more than it has, and it neither changes nor takes back
            // the description of itself; it is unmapped below, after its last use.
            let taken = take(unsafe { slice::from_raw_parts(start.cast(), length) });
            // SAFETY: This is the mapping made above, and `taken` borrows nothing of it.
            let _ = unsafe { munmap(start, length) };
            return Ok(taken);
        }
    }
    let mut types = Vec::with_capacity(length);
    file.read_to_end(&mut types)?;
    Ok(take(&types))
}

/// Where the fields are that the program reads, in bytes from the start of their struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// Id of the type of [`ITERATOR`].
    iterator: u32,
    /// `bpf_iter_meta.seq`
    seq: i16,
    /// `task_struct.pid`, which is a thread's.
    pid: i16,
    /// `task_struct.tgid`, which is the process's.
    tgid: i16,
    /// `task_struct.group_leader`, the first thread.
    leader: i16,
    /// `task_struct.files`
    files: i16,
    /// `file.f_inode`
    inode: i16,
    /// `inode.i_ino`
    number: i16,
    /// `inode.i_sb`
    superblock: i16,
    /// `super_block.s_magic`
    magic: i16,
}

impl Layout {
    fn resolve(types: &[u8]) -> Result<Layout, Unavailable> {
        let btf = Btf::new(types).ok_or(Unavailable::Type("types"))?;
        let [task, file, inode, superblock, meta, iterator] = btf.find([
            (Kind::Struct, c"task_struct"),
            (Kind::Struct, c"file"),
            (Kind::Struct, c"inode"),
            (Kind::Struct, c"super_block"),
            (Kind::Struct, c"bpf_iter_meta"),
            (Kind::Function, c"bpf_iter_task_file"),
        ]);
        let offset = |found: Option<Type<'_>>, member, what| {
            found
                .and_then(|found| btf.offset(&found, member))
                .and_then(|offset| i16::try_from(offset).ok())
                .ok_or(Unavailable::Type(what))
        };
        Ok(Layout {
            iterator: iterator.ok_or(Unavailable::Type(ITERATOR))?.id,
            seq: offset(meta, c"seq", "bpf_iter_meta.seq")?,
            pid: offset(task, c"pid", "task_struct.pid")?,
            tgid: offset(task, c"tgid", "task_struct.tgid")?,
            leader: offset(task, c"group_leader", "task_struct.group_leader")?,
            files: offset(task, c"files", "task_struct.files")?,
            inode: offset(file, c"f_inode", "file.f_inode")?,
            number: offset(inode, c"i_ino", "inode.i_ino")?,
            superblock: offset(inode, c"i_sb", "inode.i_sb")?,
            magic: offset(superblock, c"s_magic", "super_block.s_magic")?,
        })
    }
}

/// A register of the machine that BPF programs run on: 1 to 5 are the arguments of a call and
/// overwritten by it, 0 is its result, 6 to 9 are kept, 10 points behind the stack.
type Register = u8;

/// One instruction: `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u8,
    /// Two registers of four bits each.
    registers: u8,
    offset: i16,
    immediate: i32,
}

const fn instruction(
    code: u8,
    to: Register,
    from: Register,
    offset: i16,
    immediate: i32,
) -> Instruction {
    let registers = if cfg!(target_endian = "little") {
        from << 4 | to
    } else {
        to << 4 | from
    };
    Instruction {
        code,
        registers,
        offset,
        immediate,
    }
}

/// `to = *(u64 *)(from + offset)`
const fn load64(to: Register, from: Register, offset: i16) -> Instruction {
    instruction(0x79, to, from, offset, 0)
}

/// `to = *(u32 *)(from + offset)`
const fn load32(to: Register, from: Register, offset: i16) -> Instruction {
    instruction(0x61, to, from, offset, 0)
}

/// `*(u64 *)(to + offset) = from`
const fn store64(to: Register, offset: i16, from: Register) -> Instruction {
    instruction(0x7b, to, from, offset, 0)
}

/// `*(u32 *)(to + offset) = from`
const fn store32(to: Register, offset: i16, from: Register) -> Instruction {
    instruction(0x63, to, from, offset, 0)
}

/// `to = from`
const fn copy(to: Register, from: Register) -> Instruction {
    instruction(0xbf, to, from, 0, 0)
}

/// `to = value`
const fn set(to: Register, value: i32) -> Instruction {
    instruction(0xb7, to, 0, 0, value)
}

/// `to += value`
const fn add(to: Register, value: i32) -> Instruction {
    instruction(0x07, to, 0, 0, value)
}

/// `if left == value { skip instructions }`
const fn skip_if_is(left: Register, value: i32, skip: i16) -> Instruction {
    instruction(0x15, left, 0, skip, value)
}

/// `if left != value { skip instructions }`
const fn skip_if_is_not(left: Register, value: i32, skip: i16) -> Instruction {
    instruction(0x55, left, 0, skip, value)
}

/// `if left == right { skip instructions }`
const fn skip_if_same(left: Register, right: Register, skip: i16) -> Instruction {
    instruction(0x1d, left, right, skip, 0)
}

/// `r0 = function(r1, …)`
const fn call(function: i32) -> Instruction {
    instruction(0x85, 0, 0, 0, function)
}

/// `return r0`
const EXIT: Instruction = instruction(0x95, 0, 0, 0, 0);

/// `long bpf_seq_write(struct seq_file *, const void *data, u32 len)`
const SEQ_WRITE: i32 = 127;
/// The magic number of the file system that sockets are in. Not every inode of type socket is in
/// it: the name of a Unix socket is one too, opened with O_PATH.
const SOCKFS_MAGIC: i32 = 0x534F_434B;

/// The program. Its argument points to the arguments of [`ITERATOR`], 8 bytes each:
/// `struct bpf_iter_meta *meta, struct task_struct *task, u32 fd, struct file *file`.
fn program(layout: &Layout) -> [Instruction; 28] {
    [
        copy(6, 1),                          //  0 arguments
        load64(7, 6, 8),                     //  1 task
        skip_if_is(7, 0, 23),                //  2 none: the walk is over
        load64(8, 6, 24),                    //  3 file
        skip_if_is(8, 0, 21),                //  4 none: likewise
        load32(9, 7, layout.tgid),           //  5 process
        load32(1, 7, layout.pid),            //  6 thread
        skip_if_same(1, 9, 3),               //  7 the first one
        load64(1, 7, layout.leader),         //  8 another, with files of its own; the first one's
        load64(1, 1, layout.files),          //  9 files count,
        skip_if_is_not(1, 0, 15),            // 10 unless it has ended and left its own to this one
        load64(8, 8, layout.inode),          // 11 inode
        load64(1, 8, layout.superblock),     // 12 its file system
        load64(1, 1, layout.magic),          // 13
        skip_if_is_not(1, SOCKFS_MAGIC, 11), // 14 no socket
        load64(8, 8, layout.number),         // 15
        store64(10, -16, 8),                 // 16 the record on the stack: number of the inode
        store32(10, -8, 9),                  // 17 process
        load64(1, 6, 16),                    // 18
        store32(10, -4, 1),                  // 19 descriptor
        load64(1, 6, 0),                     // 20 meta
        load64(1, 1, layout.seq),            // 21 first argument: where to write
        copy(2, 10),                         // 22
        add(2, -16),                         // 23 second: the record
        set(3, RECORD_LEN as i32),           // 24 third: its length
        call(SEQ_WRITE),                     // 25 without room the kernel calls again for this file
        set(0, 0),                           // 26 carry on, whatever came of it
        EXIT,                                // 27
    ]
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

fn load(program: &[Instruction], iterator: u32) -> io::Result<OwnedFd> {
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
            attach_id: iterator,
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

fn read_records(iterator: &OwnedFd) -> Result<Vec<(u64, Holder)>, Unavailable> {
    let mut holders = Vec::new();
    let mut buffer = vec![0; READ_LEN];
    loop {
        match rustix::io::read(iterator, &mut buffer) {
            Ok(0) => return Ok(holders),
            Ok(length) => holders.extend(records(&buffer[..length])?),
            // The kernel rests after a million files without a socket, and carries on from there.
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(refused("read from the iterator")(error.into())),
        }
    }
}

fn records(bytes: &[u8]) -> Result<impl Iterator<Item = (u64, Holder)>, Unavailable> {
    let (records, rest) = bytes.as_chunks::<RECORD_LEN>();
    if !rest.is_empty() {
        return Err(Unavailable::Record(bytes.len()));
    }
    Ok(records.iter().map(|record| {
        let word = |at: usize| u32::from_ne_bytes(std::array::from_fn(|byte| record[at + byte]));
        let inode = u64::from_ne_bytes(std::array::from_fn(|byte| record[byte]));
        let (pid, fd) = (word(8), word(12));
        (inode, Holder { pid, fd })
    }))
}

#[cfg(test)]
mod tests;

//! Who holds which socket, told by the kernel at once: a BPF program is called for every open
//! file of every process, and writes a record for each socket; or for each namespace.
//!
//! It is the walk of `walk` made inside of the kernel, ten times as fast where there are
//! many files, and needs a kernel of 5.8 or later. Where it is unavailable, `/proc` is walked
//! instead.

use std::ffi::CStr;

use super::Unavailable;
use super::btf::{Btf, Kind};
use super::instruction::{
    Instruction, copy, load32, load64, skip_if_is, skip_if_is_not, skip_if_same, store32, store64,
};
use super::iterator::KernelIterator;
use super::types::{in_types, offset};
use crate::kernel::holdings::Holdings;
use crate::kernel::namespace::{INITIAL_PID_NAMESPACE, namespace_inode};
use crate::model::Holder;

/// The function whose arguments the program gets; the program is an implementation of it.
const ITERATOR: &CStr = c"bpf_iter_task_file";
/// A record: inode (u64), pid (u32), descriptor (u32), in the byte order of the machine.
const RECORD_LEN: usize = 16;

/// Whether it makes sense to try; cheap beside the scan itself.
pub(in crate::kernel) fn permitted() -> Result<(), Unavailable> {
    // Of the first pid namespace we are seen in no other, so a /proc that has us is of it too.
    if namespace_inode("pid") != Some(INITIAL_PID_NAMESPACE) {
        return Err(Unavailable::PidNamespace);
    }
    super::permitted()
}

/// The inode of every open file on the file system of this magic number, as of every socket, and
/// one holder of it, in no order, of all processes of the machine.
///
/// As in `/proc/PID/fd`, the files of a process are those of its first thread. When that has
/// ended they are those of the others; if these are several, each tells of them.
pub(in crate::kernel) fn scan<H: Holdings>(magic: i32) -> Result<H, Unavailable> {
    permitted()?;
    let layout = in_types(Layout::resolve)?;
    let mut holders = H::default();
    let take = |record: &_| {
        let (inode, holder) = holder(record);
        holders.add(inode, holder);
    };
    layout.iterator.walk(&program(&layout, magic), take)?;
    Ok(holders)
}

/// Where the fields are that the program reads, in bytes from the start of their struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    iterator: KernelIterator,
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
    fn resolve(btf: Btf<'_>) -> Result<Layout, Unavailable> {
        let [task, file, inode, superblock, meta, iterator] = btf.find([
            (Kind::Struct, c"task_struct"),
            (Kind::Struct, c"file"),
            (Kind::Struct, c"inode"),
            (Kind::Struct, c"super_block"),
            (Kind::Struct, c"bpf_iter_meta"),
            (Kind::Function, ITERATOR),
        ]);
        Ok(Layout {
            iterator: KernelIterator::new(btf, ITERATOR, iterator, meta)?,
            pid: offset(btf, task, c"pid", "task_struct.pid")?,
            tgid: offset(btf, task, c"tgid", "task_struct.tgid")?,
            leader: offset(btf, task, c"group_leader", "task_struct.group_leader")?,
            files: offset(btf, task, c"files", "task_struct.files")?,
            inode: offset(btf, file, c"f_inode", "file.f_inode")?,
            number: offset(btf, inode, c"i_ino", "inode.i_ino")?,
            superblock: offset(btf, inode, c"i_sb", "inode.i_sb")?,
            magic: offset(btf, superblock, c"s_magic", "super_block.s_magic")?,
        })
    }
}

/// The program. The arguments are those of [`ITERATOR`]:
/// `struct bpf_iter_meta *meta, struct task_struct *task, u32 fd, struct file *file`.
fn program(layout: &Layout, magic: i32) -> Vec<Instruction> {
    let body = [
        copy(6, 1),                      //  0 arguments
        load64(7, 6, 8),                 //  1 task
        skip_if_is(7, 0, 23),            //  2 none: the walk is over
        load64(8, 6, 24),                //  3 file
        skip_if_is(8, 0, 21),            //  4 none: likewise
        load32(9, 7, layout.tgid),       //  5 process
        load32(1, 7, layout.pid),        //  6 thread
        skip_if_same(1, 9, 3),           //  7 the first one
        load64(1, 7, layout.leader),     //  8 another, with files of its own; the first one's
        load64(1, 1, layout.files),      //  9 files count,
        skip_if_is_not(1, 0, 15),        // 10 unless it has ended and left its own to this one
        load64(8, 8, layout.inode),      // 11 inode
        load64(1, 8, layout.superblock), // 12 its file system
        load64(1, 1, layout.magic),      // 13
        skip_if_is_not(1, magic, 11),    // 14 not what is sought
        load64(8, 8, layout.number),     // 15
        store64(10, -16, 8),             // 16 the record on the stack: number of the inode
        store32(10, -8, 9),              // 17 process
        load64(1, 6, 16),                // 18
        store32(10, -4, 1),              // 19 descriptor
    ];
    let ending = layout.iterator.ending(-16, RECORD_LEN);
    [&body[..], &ending].concat()
}

fn holder(record: &[u8; RECORD_LEN]) -> (u64, Holder) {
    let word = |at: usize| u32::from_ne_bytes(std::array::from_fn(|byte| record[at + byte]));
    let inode = u64::from_ne_bytes(std::array::from_fn(|byte| record[byte]));
    let (pid, fd) = (word(8), word(12));
    (inode, Holder { pid, fd })
}

#[cfg(test)]
mod tests;

//! What the threads and descriptors of one process are up to, as raw text.
//!
//! A process may end, and a descriptor be closed, at any moment; what could not be read in time
//! is not there.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, test_kill_process};

/// A process with more threads than this is not looked through.
const MOST_THREADS: usize = 256;
/// Nor one with more descriptors.
const MOST_DESCRIPTORS: usize = 512;
/// A number, eight words in hex.
const SYSCALL_LIMIT: u64 = 256;

/// In what each thread of a process is blocked: the text of its `syscall`. `None` where that may
/// not be read, or there are too many.
pub fn blocked_threads(pid: u32) -> Option<Vec<Vec<u8>>> {
    let mut texts = Vec::new();
    for thread in numbers(&format!("/proc/{pid}/task"), MOST_THREADS)? {
        match read(&format!("/proc/{pid}/task/{thread}/syscall"), SYSCALL_LIMIT) {
            Ok(text) => texts.push(text),
            Err(error) if has_ended(&error) => {}
            Err(_) => return None,
        }
    }
    Some(texts)
}

/// The descriptors of a process, each with what it leads to, such as `anon_inode:[eventpoll]`.
/// `None` where they may not be read, or are too many.
pub fn descriptors(pid: u32) -> Option<Vec<(u32, Vec<u8>)>> {
    let fds = numbers(&format!("/proc/{pid}/fd"), MOST_DESCRIPTORS)?;
    let target = |fd| Some((fd, descriptor_target(pid, fd).ok()?));
    Some(fds.into_iter().filter_map(target).collect())
}

/// What a descriptor leads to.
pub fn descriptor_target(pid: u32, fd: u32) -> io::Result<Vec<u8>> {
    let target = fs::read_link(format!("/proc/{pid}/fd/{fd}"))?;
    Ok(target.into_os_string().into_vec())
}

/// What the kernel tells of a descriptor, if it is no longer than a limit.
pub fn descriptor_info(pid: u32, fd: u32, limit: u64) -> io::Result<Vec<u8>> {
    let text = read(&format!("/proc/{pid}/fdinfo/{fd}"), limit + 1)?;
    if text.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

/// Which file a process runs, as the numbers of its device and inode.
pub fn program(pid: u32) -> io::Result<(u64, u64)> {
    let file = fs::metadata(format!("/proc/{pid}/exe"))?;
    Ok((file.dev(), file.ino()))
}

/// Whether there is such a process; `/proc` may not list it.
pub fn process_exists(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // Not to be permitted to signal it says that it is there.
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// The entries of a folder that are numbers; `None` where there are more than `most`.
fn numbers(folder: &str, most: usize) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).ok()? {
        let name = entry.ok()?.file_name();
        found.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
        if found.len() > most {
            return None;
        }
    }
    Some(found)
}

fn read(path: &str, length: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(length).read_to_end(&mut text)?;
    Ok(text)
}

fn has_ended(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

//! The description of its types that the kernel hands out.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::{ptr, slice};

use rustix::fs::fstatfs;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::btf::{Btf, Type};
use super::{Unavailable, refused};

/// Where the description is.
pub(super) const TYPES: &str = "/sys/kernel/btf/vmlinux";
/// The magic number of the file system that it is in.
const SYSFS_MAGIC: libc::c_long = 0x6265_6572;

/// Takes what `find` finds in the description of the kernel's types.
pub(super) fn in_types<T>(
    find: impl FnOnce(Btf<'_>) -> Result<T, Unavailable>,
) -> Result<T, Unavailable> {
    let found = with_types(|types| find(Btf::new(types).ok_or(Unavailable::Type("types"))?));
    found.map_err(refused("read the kernel's types"))?
}

/// Where a field is from the start of its struct, in bytes, as an instruction takes it; `what` are
/// the names of both.
pub(super) fn offset(
    btf: Btf<'_>,
    within: Option<Type<'_>>,
    field: &CStr,
    what: &'static str,
) -> Result<i16, Unavailable> {
    within
        .and_then(|within| btf.offset(&within, field))
        .and_then(|offset| i16::try_from(offset).ok())
        .ok_or(Unavailable::Type(what))
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

//! The mounts that this process sees, as bytes: a mount point is a path, and a path is no text.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A line of `/proc/self/mountinfo`, after proc_pid_mountinfo(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    /// What of the file system is mounted there, such as `net:[4026532000]`.
    pub(super) root: &'a [u8],
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// Type of the file system, such as `proc`.
    pub(super) kind: &'a [u8],
    /// Options of the file system, separated by commas.
    options: &'a [u8],
}

impl<'a> Mount<'a> {
    fn parse(line: &'a [u8]) -> Option<Mount<'a>> {
        let mut words = line.split(|&byte| byte == b' ');
        // Before them: id, parent's id, device.
        let root = words.nth(3)?;
        let point = unescaped(words.next()?);
        // The options of the mount, then fields that newer kernels may add, up to a hyphen.
        words.find(|word| word == b"-")?;
        let kind = words.next()?;
        let options = words.nth(1)?;
        Some(Mount {
            root,
            point,
            kind,
            options,
        })
    }

    /// Value of an option of the file system.
    pub(super) fn option(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.options
            .split(|&byte| byte == b',')
            .find_map(|option| option.strip_prefix(name)?.strip_prefix(b"="))
    }
}

/// The text that [`mounts`] takes apart.
pub(super) fn read() -> io::Result<Vec<u8>> {
    std::fs::read("/proc/self/mountinfo")
}

/// The mounts in the order of the file; a line that makes no sense hides no other.
pub(super) fn mounts(text: &[u8]) -> impl Iterator<Item = Mount<'_>> {
    text.split(|&byte| byte == b'\n').filter_map(Mount::parse)
}

/// A path without the escapes of the kernel: `\040` is a blank.
fn unescaped(mut word: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(word.len());
    while let [first, rest @ ..] = word {
        let digits = rest
            .first_chunk::<3>()
            .filter(|digits| *first == b'\\' && digits.iter().all(|digit| digit & !7 == b'0'));
        match digits {
            Some(&[a, b, c]) => {
                path.push((a & 7) << 6 | (b & 7) << 3 | (c & 7));
                word = &rest[3..];
            }
            None => {
                path.push(*first);
                word = rest;
            }
        }
    }
    PathBuf::from(OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_line_that_is_no_text_hides_no_other() {
        let text = b"22 1 0:5 / /a\\040b\xff rw shared:1 master:2 - ext4 /dev/x rw\n\
                     nonsense\n\
                     23 1 0:6 / /proc rw - proc proc rw,hidepid=2,gid=4\n";
        let found: Vec<_> = mounts(text).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].point.as_os_str().as_bytes(), b"/a b\xff");
        assert_eq!(found[0].kind, b"ext4");
        assert_eq!(found[1].option(b"hidepid"), Some(&b"2"[..]));
        assert_eq!(found[1].option(b"gid"), Some(&b"4"[..]));
        assert_eq!(found[1].option(b"rw"), None);
    }

    #[test]
    fn no_cut_makes_it_panic() {
        let line = b"23 1 0:6 / /proc\\011\\9 rw - proc proc rw,hidepid=2";
        for cut in 0..line.len() {
            let _ = mounts(&line[..cut]).count();
        }
        assert_eq!(mounts(line).count(), 1);
    }
}

//! Files that are replaced as a whole, so that nobody ever reads half of one.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// No file of ours is longer.
const LIMIT: u64 = 64 << 10;
/// How many temporary files of runs that were killed are passed over.
const MOST_LEFT: usize = 100;
/// How often a file may be replaced under our hands before we give up: everybody who waits for
/// the lock wakes to a file that is no longer the one.
const MOST_ATTEMPTS: usize = 10_000;

/// Replaces a file, or makes it, with this mode whatever the umask.
///
/// What is written stands in the same folder under another name until it is whole; the name ends
/// in `.tmp`, which no collector takes for its own. Devices, pipes and links stay what they are:
/// `/dev/stdout` is an error.
pub fn replace_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(not_a_file());
    }
    let (temporary, mut file) = make_beside(path)?;
    let written = file
        .write_all(content)
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| file.sync_data())
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // Nothing else can be done about it.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

fn make_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
    for attempt in 0..MOST_LEFT {
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.{attempt}.tmp", std::process::id()));
        let temporary = path.with_file_name(temporary);
        let made = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary);
        match made {
            // Left behind by a run that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => return Ok((temporary, file)),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

/// A file of which only one process at a time decides what it holds next.
#[derive(Debug)]
pub struct LockedFile {
    path: PathBuf,
    // Holds the lock.
    file: File,
}

impl LockedFile {
    /// Makes the file if need be, and waits for its lock.
    pub fn lock(path: &Path) -> io::Result<LockedFile> {
        for _ in 0..MOST_ATTEMPTS {
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                // A pipe put in its place is refused below rather than waited for.
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(path)?;
            if !file.metadata()?.is_file() {
                return Err(not_a_file());
            }
            flock(&file, FlockOperation::LockExclusive)?;
            // Whoever had the lock before has put another file in the place of this one.
            let (ours, there) = (file.metadata()?, std::fs::symlink_metadata(path));
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
                return Ok(LockedFile {
                    path: path.to_owned(),
                    file,
                });
            }
        }
        Err(io::Error::from(io::ErrorKind::WouldBlock))
    }

    /// What it holds, up to a limit.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        Read::by_ref(&mut self.file)
            .take(LIMIT)
            .read_to_end(&mut content)?;
        Ok(content)
    }

    /// Puts another content in its place and lets it go.
    pub fn replace(self, content: &[u8]) -> io::Result<()> {
        replace_file(&self.path, content, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| folder.path().join(name));
        std::fs::write(&file, "kept").unwrap();
        symlink(&file, &link).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for path in [&link, &pipe, folder.path()] {
            let error = replace_file(path, b"new", 0o644).unwrap_err();
            assert_eq!(error.to_string(), "not a regular file", "{path:?}");
        }
        assert_eq!(std::fs::read(&file).unwrap(), b"kept");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        for content in ["one\n", "two\n"] {
            replace_file(&path, content.as_bytes(), 0o644).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        let mode = std::fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o644);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(replace_file(&folder.path().join("no/a"), b"", 0o644).is_err());
        assert!(replace_file(Path::new("/"), b"", 0o644).is_err());
        // A folder stands in the way: the temporary file goes again.
        std::fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(replace_file(&folder.path().join("taken"), b"", 0o644).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn only_one_at_a_time_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let mut locked = LockedFile::lock(&path).unwrap();
                        let count = locked.read().unwrap().len();
                        locked.replace(&vec![b'x'; count + 1]).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 160);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(LockedFile::lock(folder.path()).is_err());
        let link = folder.path().join("link");
        symlink("/etc/passwd", &link).unwrap();
        assert!(LockedFile::lock(&link).is_err());
        assert!(LockedFile::lock(Path::new("/dev/null")).is_err());
    }
}

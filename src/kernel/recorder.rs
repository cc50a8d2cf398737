//! Writes the files of a recording.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, mkdirat, openat, symlinkat, unlinkat};
use rustix::io::Errno;

/// A recording that is being made. Command lines and addresses are nobody else's business, so the
/// folder is closed to all others before the first file is made in it.
#[derive(Debug)]
pub struct Recorder {
    root: OwnedFd,
}

impl Recorder {
    /// Makes the folder; one that is there must be ours, and empty, so that nothing is mixed.
    pub fn create(root: &Path) -> io::Result<Recorder> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)?;
        // From here on it is this folder, whatever its name may lead to later.
        let folder = File::open(root)?;
        let owner = folder.metadata()?.uid();
        if owner != nix::unistd::geteuid().as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the folder belongs to uid {owner}"),
            ));
        }
        folder.set_permissions(fs::Permissions::from_mode(0o700))?;
        let is_empty = Dir::read_from(&folder)?.all(|entry| {
            entry.is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b".."))
        });
        if !is_empty {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the folder is not empty",
            ));
        }
        Ok(Recorder {
            root: folder.into(),
        })
    }

    /// Makes a file by its name in the recording, such as `proc/net/tcp`.
    pub fn file(&self, name: &str) -> io::Result<File> {
        self.make_parents(name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = openat(&self.root, name, flags | OFlags::CLOEXEC, mode)?;
        Ok(File::from(file))
    }

    /// Writes a file by its name in the recording.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all(content)
    }

    /// Takes a file back.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.root, name, AtFlags::empty())?)
    }

    /// Makes a link whose target is text only, such as `socket:[4242]`.
    pub fn link(&self, name: &str, target: &[u8]) -> io::Result<()> {
        self.make_parents(name)?;
        Ok(symlinkat(target, &self.root, name)?)
    }

    /// Makes a folder.
    pub fn folder(&self, name: &str) -> io::Result<()> {
        let mut path = PathBuf::new();
        for part in Path::new(name) {
            path.push(part);
            match mkdirat(&self.root, &path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn make_parents(&self, name: &str) -> io::Result<()> {
        match name.rsplit_once('/') {
            Some((folder, _)) => self.folder(folder),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn nobody_else_may_look_into_a_folder_that_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("recording");
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
        let recorder = Recorder::create(&root).unwrap();
        recorder.write("proc/7/cmdline", b"x").unwrap();
        recorder.link("proc/7/fd/3", b"socket:[1]").unwrap();
        for name in ["", "proc", "proc/7", "proc/7/fd"] {
            assert_eq!(mode(&root.join(name)), 0o700, "{name}");
        }
        assert_eq!(mode(&root.join("proc/7/cmdline")), 0o600);
        assert_eq!(
            fs::read_link(root.join("proc/7/fd/3")).unwrap(),
            Path::new("socket:[1]")
        );
        recorder.remove("proc/7/cmdline").unwrap();
        assert!(!root.join("proc/7/cmdline").exists());
    }

    #[test]
    fn a_file_that_is_there_is_neither_followed_nor_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (root, other) = (folder.path().join("recording"), folder.path().join("other"));
        let recorder = Recorder::create(&root).unwrap();
        std::os::unix::fs::symlink(&other, root.join("meta.json")).unwrap();
        let error = recorder.write("meta.json", b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(!other.exists());
        let error = Recorder::create(&root).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = if !nix::unistd::geteuid().is_root() {
            Path::new("/sys")
        } else if std::os::unix::fs::chown(folder.path(), Some(65534), None).is_ok() {
            folder.path()
        } else {
            // Root of a user namespace has nobody else to give it to.
            eprintln!("SKIPPED");
            return;
        };
        let error = Recorder::create(theirs).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("belongs to uid"), "{error}");
    }
}

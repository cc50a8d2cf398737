//! Writes the files of a recording.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// A recording that is being made.
#[derive(Debug)]
pub struct Recorder {
    root: PathBuf,
}

impl Recorder {
    /// Makes the folder; one that is there must be empty, so that nothing is mixed.
    pub fn create(root: &Path) -> io::Result<Recorder> {
        // Command lines and addresses are nobody else's business.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)?;
        if fs::read_dir(root)?.next().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the folder is not empty",
            ));
        }
        Ok(Recorder {
            root: root.to_owned(),
        })
    }

    /// Writes a file by its name in the recording, such as `proc/net/tcp`.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        fs::write(self.path(name)?, content)
    }

    /// Makes a link whose target is text only, such as `socket:[4242]`.
    pub fn link(&self, name: &str, target: &[u8]) -> io::Result<()> {
        symlink(std::ffi::OsStr::from_bytes(target), self.path(name)?)
    }

    /// Makes a folder.
    pub fn folder(&self, name: &str) -> io::Result<()> {
        fs::create_dir_all(self.root.join(name))
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.root.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(path)
    }
}

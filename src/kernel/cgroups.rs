//! Paths of cgroups by their id: the inode of their folder in the cgroup2 file system.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::mounts;

/// Folders deeper than this are no cgroups of anybody.
const MOST_LEVELS: usize = 32;

/// Walks the mounted cgroup2 tree once. Empty when there is none.
pub(super) fn paths_by_id() -> HashMap<u64, Vec<u8>> {
    let mut paths = HashMap::new();
    if let Some(root) = cgroup2_root() {
        if let Ok(metadata) = fs::metadata(&root) {
            paths.insert(metadata.ino(), b"/".to_vec());
        }
        descend(&root, &root, MOST_LEVELS, &mut paths);
    }
    paths
}

/// Where the cgroup2 tree is mounted; `None` when it is not.
pub(super) fn cgroup2_root() -> Option<PathBuf> {
    let text = mounts::read().ok()?;
    let found = mounts::mounts(&text).find(|mount| mount.kind == b"cgroup2");
    found.map(|mount| mount.point)
}

fn descend(root: &Path, folder: &Path, levels: usize, paths: &mut HashMap<u64, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        if let Ok(below) = path.strip_prefix(root) {
            let mut name = b"/".to_vec();
            name.extend_from_slice(below.as_os_str().as_bytes());
            paths.insert(entry.ino(), name);
        }
        if levels > 0 {
            descend(root, &path, levels - 1, paths);
        }
    }
}

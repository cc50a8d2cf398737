//! Files that are given to be read.

use std::fs::File;
use std::io;
use std::path::Path;

use super::recording::read_within;

/// Reads a file whole, `-` for standard input; one beyond the limit is an error, not a piece.
pub fn read_input(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if path == Path::new("-") {
        return read_within(io::stdin().lock(), limit);
    }
    read_within(File::open(path)?, limit)
}

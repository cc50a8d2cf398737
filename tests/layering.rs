//! Who may import whom: the table of the architecture, checked against the `use` lines.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the rooms it may import from.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &["model", "filter"]),
    ("kernel", &["model", "wire"]),
    ("collect", &["kernel", "wire", "model", "filter"]),
    ("join", &["model"]),
    ("filter", &["model"]),
    ("analyze", &["model"]),
    ("render", &["model", "analyze"]),
    (
        "cli",
        &[
            "model", "wire", "kernel", "collect", "join", "filter", "analyze", "render",
        ],
    ),
    (
        "command",
        &[
            "model", "wire", "kernel", "collect", "join", "filter", "analyze", "render", "cli",
        ],
    ),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The rooms named by `crate::ROOM` in code, tests and comments left aside.
fn imports(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

#[test]
fn no_arrow_runs_the_wrong_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    for (room, allowed) in ROOMS {
        for file in sources(&root.join(room)) {
            for import in imports(&fs::read_to_string(&file).unwrap()) {
                checked += 1;
                assert!(
                    import == *room || allowed.contains(&import.as_str()),
                    "{} imports {import}, which {room} must not",
                    file.display()
                );
            }
        }
    }
    assert!(checked > 50, "only {checked} imports found");
}

#[test]
fn every_room_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(
                ROOMS.iter().any(|(room, _)| *room == name),
                "{name} is not in the table"
            );
        }
    }
}

#[test]
fn kernel_knows_framing_and_no_meaning() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kernel");
    for file in sources(&root) {
        let text = fs::read_to_string(&file).unwrap();
        for part in text.split("crate::wire").skip(1) {
            assert!(
                part.starts_with("::netlink;"),
                "{} imports more of wire than framing",
                file.display()
            );
        }
    }
}

#[test]
fn unsafe_stays_in_kernel() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in sources(&root) {
        let text = fs::read_to_string(&file).unwrap();
        let uses = text.contains("unsafe {") || text.contains("unsafe fn");
        assert!(
            !uses || file.starts_with(root.join("kernel")),
            "{} uses unsafe",
            file.display()
        );
    }
}

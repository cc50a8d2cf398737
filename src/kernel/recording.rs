//! A recording on disk: where its parts are, and its `meta.json`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::model::{Entrance, HiddenCause, Protocol, Table};

/// No text file that is read whole is anywhere near this long.
pub(super) const TEXT_LIMIT: u64 = 16 << 20;
/// The `schema` of `meta.json`.
pub const RECORDING_SCHEMA: &str = "portstat.recording.v1";
/// As much is shown of another one.
const SCHEMA_SHOWN: usize = 60;

/// A recording that cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It is not there, or may not be read.
    #[error("cannot read recording {}: {error}", path.display())]
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It is a folder that holds nothing portstat knows.
    #[error(
        "{} is no recording: it has neither diag/*.nlmsg nor proc/net/* (make one with \
         portstat record DIR)",
        path.display()
    )]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// It says that it is made in another way than this program knows.
    #[error(
        "{} is a recording of schema {schema}, and this portstat reads {RECORDING_SCHEMA}: use the \
         version of portstat that made it, or a newer one",
        path.display()
    )]
    Schema {
        /// The folder.
        path: PathBuf,
        /// What its `meta.json` says.
        schema: String,
    },
}

/// A recording that was opened.
#[derive(Debug)]
pub struct Recording {
    layout: Layout,
    /// What `meta.json` says.
    pub meta: Meta,
    users: OnceLock<HashMap<u32, String>>,
}

#[derive(Debug)]
enum Layout {
    /// A folder as `portstat record` makes it.
    Folder(PathBuf),
    /// A bare copy of `/proc`.
    Proc(PathBuf),
    /// A file written by `ss -D`: TCP only.
    Diag(PathBuf),
}

/// What is known of a recording beside its files. Everything may be missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// Name of the machine.
    pub host: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// When it was made.
    pub taken_at: Option<SystemTime>,
    /// Inode of the network namespace.
    pub netns: Option<u64>,
    /// How commands get there, where it was named with `-N`.
    pub entrance: Option<Entrance>,
    /// Names of interfaces, by index.
    pub interfaces: HashMap<u32, String>,
    /// Paths of cgroups, by id.
    pub cgroups: HashMap<u64, String>,
    /// Why some processes could not be seen; `None` when all could.
    pub hidden: Option<HiddenCause>,
    /// Whether the kernel listed TCP sockets that are bound and do not listen; `None` where that is
    /// not said.
    pub lists_bound: Option<bool>,
    /// What was left out, in words.
    pub left_out: Vec<String>,
    /// Its `schema`, when it is not [`RECORDING_SCHEMA`].
    pub unknown_schema: Option<String>,
}

impl Recording {
    pub(super) fn open(path: &Path) -> Result<Recording, HostError> {
        let unreadable = |error| HostError::Unreadable {
            path: path.to_owned(),
            error,
        };
        let kind = fs::metadata(path).map_err(unreadable)?;
        if kind.is_file() {
            return Ok(Recording {
                layout: Layout::Diag(path.to_owned()),
                meta: Meta::unknown(),
                users: OnceLock::new(),
            });
        }
        fs::read_dir(path).map_err(unreadable)?;
        let layout = if path.join("proc").is_dir() || path.join("diag").is_dir() {
            Layout::Folder(path.to_owned())
        } else if path.join("net").is_dir() {
            Layout::Proc(path.to_owned())
        } else {
            return Err(HostError::Empty {
                path: path.to_owned(),
            });
        };
        let mut recording = Recording {
            layout,
            meta: Meta::unknown(),
            users: OnceLock::new(),
        };
        if let Ok(text) = recording.read_within("meta.json", TEXT_LIMIT)
            && let Some(meta) = Meta::parse(&text)
        {
            if let Some(schema) = meta.unknown_schema {
                return Err(HostError::Schema {
                    path: path.to_owned(),
                    schema,
                });
            }
            recording.meta = meta;
        }
        Ok(recording)
    }

    /// Opens a file by its name on the machine.
    pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
        let root = match &self.layout {
            Layout::Folder(root) | Layout::Proc(root) | Layout::Diag(root) => root,
        };
        open_below(root, &self.path(name))
    }

    /// Reads a file whole; one beyond the limit is an error, not a piece.
    pub(super) fn read_within(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        read_within(self.open_file(name)?, limit)
    }

    /// Names of its users by uid: `etc/passwd`, taken apart by `parse` when it is first asked for.
    pub fn users(
        &self,
        parse: impl FnOnce(&[u8]) -> HashMap<u32, String>,
    ) -> &HashMap<u32, String> {
        self.users.get_or_init(|| {
            let text = self.read_within("etc/passwd", TEXT_LIMIT);
            parse(&text.unwrap_or_default())
        })
    }

    /// The path of a file by its name on the machine.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match &self.layout {
            Layout::Folder(root) => root.join(name),
            Layout::Proc(root) => match Path::new(name).strip_prefix("proc") {
                Ok(below) => root.join(below),
                // A copy of /proc has no /etc; the name leads nowhere.
                Err(_) => root.join("nothing").join(name),
            },
            Layout::Diag(file) => file.join(name),
        }
    }

    /// The file with the raw messages of a protocol, for people.
    pub(super) fn diag_name(&self, protocol: Protocol) -> String {
        match &self.layout {
            Layout::Diag(file) => file.display().to_string(),
            Layout::Folder(_) | Layout::Proc(_) => format!("diag/{}.nlmsg", protocol.name()),
        }
    }

    /// Opens the raw messages of a protocol.
    pub(super) fn open_diag(&self, protocol: Protocol) -> io::Result<File> {
        match &self.layout {
            Layout::Folder(root) => {
                open_below(root, &root.join(format!("diag/{}.nlmsg", protocol.name())))
            }
            Layout::Diag(file) if protocol == Protocol::Tcp => File::open(file),
            Layout::Diag(_) | Layout::Proc(_) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "not in the recording",
            )),
        }
    }
}

/// Reads an open file whole; one beyond the limit is an error, not a piece.
pub(super) fn read_within(file: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(limit + 1).read_to_end(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {limit} bytes"),
        ));
    }
    Ok(text)
}

/// Opens a regular file below `root`. A recording comes from anywhere: a pipe or device in it would
/// block or never end, and a link may lead to what is nobody's business.
fn open_below(root: &Path, path: &Path) -> io::Result<File> {
    let path = path.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            io::Error::new(io::ErrorKind::NotFound, "not in the recording")
        }
        _ => error,
    })?;
    if !path.starts_with(root.canonicalize()?) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "a link out of the recording",
        ));
    }
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a regular file",
        ));
    }
    File::open(path)
}

impl Meta {
    /// Of a recording that does not say: not to be trusted to hold every process.
    fn unknown() -> Meta {
        Meta {
            hidden: Some(HiddenCause::NotRecorded),
            ..Meta::default()
        }
    }

    /// Reads `meta.json`; `None` when it is no JSON object.
    pub fn parse(text: &[u8]) -> Option<Meta> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let object = value.as_object()?;
        let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
        // Without one it was written by hand, and is taken for what it looks like.
        let unknown_schema = object
            .get("schema")
            .filter(|schema| schema.as_str() != Some(RECORDING_SCHEMA))
            .map(|schema| schema.to_string().chars().take(SCHEMA_SHOWN).collect());
        Some(Meta {
            host: text("host"),
            kernel: text("kernel"),
            taken_at: object
                .get("taken_at_ms")
                .and_then(Value::as_u64)
                .and_then(|ms| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms))),
            netns: object.get("netns").and_then(Value::as_u64),
            entrance: (text("netns_name").map(|name| Entrance::Name(name.into_bytes())))
                .or_else(|| text("netns_path").map(|path| Entrance::Path(path.into()))),
            interfaces: by_number(object.get("interfaces")),
            cgroups: by_number(object.get("cgroups")),
            hidden: match text("hidden_processes").as_deref() {
                None if object.contains_key("hidden_processes") => None,
                Some("permission") => Some(HiddenCause::PermissionThen),
                Some("hidepid") => Some(HiddenCause::Hidepid),
                Some("pid-namespace") => Some(HiddenCause::PidNamespace),
                _ => Some(HiddenCause::NotRecorded),
            },
            lists_bound: object.get("lists_bound").and_then(Value::as_bool),
            left_out: object
                .get("left_out")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.as_str().map(str::to_owned))
                .collect(),
            unknown_schema,
        })
    }

    /// What [`left_out`](Meta::left_out) says of a table that could not be dumped.
    pub fn dump_left_out(table: Table, why: &str) -> String {
        format!("diag of {table}: {why}")
    }

    /// Why the dump of a table was left out; `None` when it was not.
    pub fn why_no_dump(&self, table: Table) -> Option<&str> {
        let what = Meta::dump_left_out(table, "");
        self.left_out
            .iter()
            .find_map(|entry| entry.strip_prefix(&what))
    }

    /// The text of `meta.json`.
    pub fn to_json(&self) -> String {
        let taken_at_ms = self.taken_at.and_then(|time| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            u64::try_from(since.as_millis()).ok()
        });
        let (netns_name, netns_path) = match &self.entrance {
            None => (None, None),
            Some(Entrance::Name(name)) => (Some(String::from_utf8_lossy(name)), None),
            Some(Entrance::Path(path)) => (None, Some(path.to_string_lossy())),
        };
        let value = json!({
            "schema": RECORDING_SCHEMA,
            "version": env!("CARGO_PKG_VERSION"),
            "host": self.host,
            "kernel": self.kernel,
            "taken_at_ms": taken_at_ms,
            "netns": self.netns,
            "netns_name": netns_name,
            "netns_path": netns_path,
            "interfaces": sorted(&self.interfaces),
            "cgroups": sorted(&self.cgroups),
            "hidden_processes": self.hidden.map(HiddenCause::name),
            "lists_bound": self.lists_bound,
            "left_out": self.left_out,
        });
        format!("{value:#}\n")
    }
}

fn by_number<N: std::str::FromStr + std::hash::Hash + Eq>(
    value: Option<&Value>,
) -> HashMap<N, String> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(number, name)| Some((number.parse().ok()?, name.as_str()?.to_owned())))
        .collect()
}

fn sorted<N: ToString>(map: &HashMap<N, String>) -> Value {
    Value::Object(
        map.iter()
            .map(|(number, name)| (number.to_string(), Value::String(name.clone())))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_survives_the_way_through_the_file() {
        let meta = Meta {
            host: Some("web01".to_owned()),
            kernel: Some("6.18".to_owned()),
            taken_at: SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(1_234_567)),
            netns: Some(4_026_531_840),
            entrance: Some(Entrance::Name(b"blue".to_vec())),
            interfaces: HashMap::from([(1, "lo".to_owned())]),
            cgroups: HashMap::from([(77, "/system.slice".to_owned())]),
            hidden: None,
            lists_bound: Some(true),
            left_out: vec!["x".to_owned()],
            unknown_schema: None,
        };
        assert_eq!(Meta::parse(meta.to_json().as_bytes()), Some(meta));
    }

    #[test]
    fn a_recording_that_does_not_say_is_not_trusted_to_be_whole() {
        assert_eq!(Meta::parse(b"[]"), None);
        assert_eq!(
            Meta::parse(b"{}").and_then(|meta| meta.hidden),
            Some(HiddenCause::NotRecorded)
        );
    }
}

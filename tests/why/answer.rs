//! What `portstat why --json` answers, taken apart; what must hold of every answer is checked on
//! the way.

use serde_json::Value;

use crate::support::portstat::Ran;

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub verdict: String,
    pub errno: Option<String>,
    pub exact: bool,
    pub assumptions: Vec<String>,
    pub blockers: Vec<Blocker>,
    pub with_reuse_address: Option<String>,
    pub notes: Vec<String>,
    pub query: Value,
    pub document: Value,
}

/// Something in the way.
#[derive(Clone, Debug)]
pub struct Blocker {
    pub cause: String,
    pub socket: Value,
    pub explanation: String,
    pub frees_in_ms: Option<u64>,
    pub fixes: Vec<Fix>,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Fix {
    pub text: String,
    pub command: Option<String>,
}

/// All that one run answers.
#[track_caller]
pub fn answers(ran: &Ran) -> Vec<Answer> {
    assert!(!ran.stdout.is_empty(), "exit {}: {}", ran.code, ran.stderr);
    let document = ran.json();
    assert_eq!(document["schema"], "portstat.why.v1", "{document}");
    let answers: Vec<Answer> = array(&document, "answers").iter().map(answer).collect();
    let is = |verdict: &str| answers.iter().any(|answer| answer.verdict == verdict);
    let code = match (is("blocked"), is("unknown")) {
        (true, _) => 1,
        (false, true) => 3,
        (false, false) => 0,
    };
    assert_eq!(ran.code, code, "{document}\n{}", ran.stderr);
    answers
}

/// The only answer of a run.
#[track_caller]
pub fn only_answer(ran: &Ran) -> Answer {
    let answers = answers(ran);
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.into_iter().next().unwrap()
}

#[track_caller]
fn answer(document: &Value) -> Answer {
    has_keys(
        document,
        &[
            "query",
            "verdict",
            "errno",
            "certainty",
            "assumptions",
            "blockers",
            "with_reuseaddr",
            "notes",
        ],
    );
    let query = &document["query"];
    has_keys(
        query,
        &[
            "op",
            "proto",
            "addr",
            "port",
            "dst",
            "reuseaddr",
            "reuseport",
            "v6only",
            "uid",
        ],
    );
    let answer = Answer {
        verdict: text(document, "verdict").unwrap(),
        errno: text(document, "errno"),
        exact: match &text(document, "certainty").unwrap()[..] {
            "exact" => true,
            "assumed" => false,
            certainty => panic!("{certainty} is no certainty: {document}"),
        },
        assumptions: texts(document, "assumptions"),
        blockers: array(document, "blockers").iter().map(blocker).collect(),
        with_reuse_address: text(document, "with_reuseaddr"),
        notes: texts(document, "notes"),
        query: query.clone(),
        document: document.clone(),
    };
    answer.check();
    answer
}

#[track_caller]
fn blocker(document: &Value) -> Blocker {
    has_keys(
        document,
        &["cause", "socket", "explanation", "frees_in_ms", "fixes"],
    );
    let socket = &document["socket"];
    if !socket.is_null() {
        has_keys(
            socket,
            &[
                "proto",
                "family",
                "state",
                "local",
                "peer",
                "uid",
                "inode",
                "netns",
                "v6only",
                "owners",
                "owners_status",
            ],
        );
    }
    let fix = |fix: &Value| {
        has_keys(fix, &["text", "command"]);
        Fix {
            text: text(fix, "text").unwrap(),
            command: text(fix, "command"),
        }
    };
    let frees = &document["frees_in_ms"];
    assert!(frees.is_u64() || frees.is_null(), "{document}");
    Blocker {
        cause: text(document, "cause").unwrap(),
        socket: socket.clone(),
        explanation: text(document, "explanation").unwrap(),
        frees_in_ms: frees.as_u64(),
        fixes: array(document, "fixes").iter().map(fix).collect(),
    }
}

impl Answer {
    #[track_caller]
    fn check(&self) {
        let document = &self.document;
        assert_eq!(self.exact, self.assumptions.is_empty(), "{document}");
        match &self.verdict[..] {
            "blocked" => {
                assert!(self.errno.is_some(), "{document}");
                assert!(!self.blockers.is_empty(), "{document}");
            }
            "free" => assert!(self.errno.is_none(), "{document}"),
            "unknown" => {
                assert!(self.errno.is_none() && !self.exact, "{document}");
            }
            verdict => panic!("{verdict} is no verdict: {document}"),
        }
        for blocker in &self.blockers {
            assert_ne!(blocker.explanation, "", "{document}");
            // Connections go with the listener in the way that accepted them.
            let has_own = blocker.cause != "connection-remains" || self.fixes().next().is_none();
            assert!(!has_own || !blocker.fixes.is_empty(), "{document}");
            let texts = blocker.fixes.iter().map(|fix| &fix.text);
            assert!(texts.clone().all(|text| !text.is_empty()), "{document}");
        }
        // Nobody is told to try what does not help, and everybody what does.
        let told = |fix: &Fix| fix.text.contains("SO_REUSEADDR");
        let advised = self.fixes().any(told);
        match self.with_reuse_address.as_deref() {
            Some("free") if self.verdict == "blocked" => assert!(advised, "{document}"),
            Some("blocked") => assert!(!advised, "{document}"),
            Some("free") | None => {}
            Some(verdict) => panic!("{verdict} is no verdict: {document}"),
        }
    }

    fn fixes(&self) -> impl Iterator<Item = &Fix> {
        self.blockers.iter().flat_map(|blocker| &blocker.fixes)
    }

    /// Insists that it would succeed, for all that is there.
    #[track_caller]
    pub fn free(&self) -> &Answer {
        assert_eq!(
            (&self.verdict[..], self.exact),
            ("free", true),
            "{}",
            self.document
        );
        assert!(self.blockers.is_empty(), "{}", self.document);
        self
    }

    /// Insists that no process is in the way any more. A connection that its server had closed
    /// before the client did may remain in TIME-WAIT.
    #[track_caller]
    pub fn held_by_nobody(&self) {
        let mut blockers = self.blockers.iter();
        assert!(
            blockers.all(|one| one.cause == "time-wait"),
            "{}",
            self.document
        );
    }

    /// Insists that it would fail, with the one thing that is in the way.
    #[track_caller]
    pub fn blocked_by(&self, errno: &str, cause: &str) -> &Blocker {
        let first = self.blocked_first_by(errno, cause);
        assert_eq!(self.blockers.len(), 1, "{}", self.document);
        first
    }

    /// Insists that it would fail, with what decides among the things that are in the way.
    #[track_caller]
    pub fn blocked_first_by(&self, errno: &str, cause: &str) -> &Blocker {
        let expected = ("blocked", Some(errno));
        let said = (&self.verdict[..], self.errno.as_deref());
        assert_eq!(said, expected, "{}", self.document);
        assert_eq!(self.blockers[0].cause, cause, "{}", self.document);
        &self.blockers[0]
    }

    /// Insists that nothing was taken for granted.
    #[track_caller]
    pub fn exactly(&self) -> &Answer {
        assert!(self.exact, "{}", self.document);
        self
    }

    /// Insists that something was taken for granted, and that it is told in these words.
    #[track_caller]
    pub fn assuming(&self, words: &[&str]) -> &Answer {
        let told = self.assumptions.join("\n").to_lowercase();
        for word in words {
            assert!(
                told.contains(&word.to_lowercase()),
                "{word}: {}",
                self.document
            );
        }
        self
    }

    /// Insists on what SO_REUSEADDR would change.
    #[track_caller]
    pub fn with_reuse_address(&self, verdict: Option<&str>) -> &Answer {
        assert_eq!(
            self.with_reuse_address.as_deref(),
            verdict,
            "{}",
            self.document
        );
        self
    }

    /// Insists that a note has these words.
    #[track_caller]
    pub fn noting(&self, words: &[&str]) -> &Answer {
        let noted = |note: &String| words.iter().all(|word| note.contains(word));
        assert!(self.notes.iter().any(noted), "{words:?}: {}", self.document);
        self
    }

    /// Whether anything in the way has this cause.
    pub fn has_cause(&self, cause: &str) -> bool {
        self.blockers.iter().any(|blocker| blocker.cause == cause)
    }
}

impl Blocker {
    /// Insists that this process holds the socket, and nobody else.
    #[track_caller]
    pub fn held_by(&self, pid: u32) -> &Blocker {
        let owners = array(&self.socket, "owners");
        let pids: Vec<u64> = owners
            .iter()
            .map(|owner| owner["pid"].as_u64().unwrap())
            .collect();
        assert_eq!(self.socket["owners_status"], "known", "{}", self.socket);
        assert!(!pids.is_empty(), "{}", self.socket);
        assert!(
            pids.iter().all(|&one| one == u64::from(pid)),
            "{pid}: {}",
            self.socket
        );
        self
    }

    /// Insists that a process of this name holds it.
    #[track_caller]
    pub fn named(&self, comm: &str) -> &Blocker {
        let owners = array(&self.socket, "owners");
        assert!(
            owners.iter().any(|owner| owner["comm"] == comm),
            "{comm}: {}",
            self.socket
        );
        self
    }

    /// Insists that no process holds it, for this reason.
    #[track_caller]
    pub fn unowned(&self, status: &str) -> &Blocker {
        assert_eq!(self.socket["owners_status"], status, "{}", self.socket);
        assert!(array(&self.socket, "owners").is_empty(), "{}", self.socket);
        self
    }

    /// Insists on the socket that is in the way.
    #[track_caller]
    pub fn is(&self, state: &str, addr: &str, port: u16) -> &Blocker {
        let local = &self.socket["local"];
        assert_eq!(self.socket["state"], state, "{}", self.socket);
        assert_eq!(
            (&local["addr"], &local["port"]),
            (&addr.into(), &port.into()),
            "{}",
            self.socket
        );
        self
    }

    /// Insists that one of the things to do is told with these words.
    #[track_caller]
    pub fn fixed_by(&self, words: &[&str]) -> &Blocker {
        let told = |fix: &Fix| {
            let command = fix.command.as_deref().unwrap_or_default();
            let all = format!("{}\n{command}", fix.text);
            words.iter().all(|word| all.contains(word))
        };
        assert!(self.fixes.iter().any(told), "{words:?}: {:?}", self.fixes);
        self
    }
}

#[track_caller]
fn has_keys(value: &Value, keys: &[&str]) {
    let object = value.as_object();
    let object = object.unwrap_or_else(|| panic!("no object: {value}"));
    for key in keys {
        assert!(object.contains_key(*key), "{key}: {value}");
    }
}

#[track_caller]
pub fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let found = value[key].as_array();
    found.unwrap_or_else(|| panic!("{key} is no array: {value}"))
}

/// A text, or null.
#[track_caller]
fn text(value: &Value, key: &str) -> Option<String> {
    let found = &value[key];
    assert!(found.is_string() || found.is_null(), "{key}: {value}");
    found.as_str().map(str::to_owned)
}

#[track_caller]
fn texts(value: &Value, key: &str) -> Vec<String> {
    let texts = array(value, key).iter();
    texts
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

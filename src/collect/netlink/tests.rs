//! Reads of a kernel that says what a test wants.

use super::super::attempts::MOST_ATTEMPTS;
use super::super::{Batch, Method};
use super::*;
use crate::filter;
use crate::model::{DetailSet, Family, Protocol, StateSet, Table};
use crate::wire::netlink::framed;
use std::cell::RefCell;
use std::collections::VecDeque;

const TABLE: Table = Table {
    protocol: Protocol::Tcp,
    family: Family::V4,
};

/// What a dump of the kernel consists of.
type Chunks = Vec<io::Result<Vec<u8>>>;

fn row(cookie: u8, flags: u16) -> Vec<u8> {
    let mut row = [0; inet_diag::ROW_LEN];
    (row[0], row[1], row[44]) = (2, 1, cookie);
    framed(20, flags, 1, &row)
}

fn end(errno: i32) -> Vec<u8> {
    framed(3, 0, 1, &errno.to_ne_bytes())
}

fn refusal(errno: i32) -> Chunks {
    vec![Ok(framed(2, 0, 1, &(-errno).to_ne_bytes()))]
}

fn rows(cookies: &[u8]) -> Vec<u8> {
    cookies.iter().flat_map(|&cookie| row(cookie, 0)).collect()
}

/// A dump of these cookies in one chunk, and its end in another.
fn whole(cookies: &[u8]) -> Chunks {
    vec![Ok(rows(cookies)), Ok(end(0))]
}

/// Keeps cookies, and whether the kernel chose the ports.
#[derive(Default)]
struct Kept {
    cookies: Vec<u64>,
    autobound: Vec<Option<bool>>,
    enough: usize,
}

impl Receiver for Kept {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        self.cookies
            .extend(batch.sockets.iter().map(|socket| socket.cookie));
        self.autobound
            .extend(batch.details.iter().map(|details| details.autobound));
        Ok(match self.cookies.len() == self.enough {
            true => Flow::Enough,
            false => Flow::More,
        })
    }

    fn take_back(&mut self) -> bool {
        self.cookies.clear();
        true
    }
}

fn request() -> Request {
    Request {
        tables: vec![TABLE],
        states: StateSet::ALL,
        details: DetailSet::NONE,
        method: Method::Auto,
        condition: None,
    }
}

/// Reads of a kernel that answers one request after another with these dumps; returns how many
/// are left, too.
fn read_script(request: &Request, kept: &mut Kept, dumps: Vec<Chunks>) -> (Outcome, usize) {
    let dumps = RefCell::new(VecDeque::from(dumps));
    let open = |_: &[u8]| Ok(Dump::scripted(dumps.borrow_mut().pop_front().unwrap()));
    let outcome = read_dumps("dump", open, request, Walk::One(TABLE), kept).unwrap();
    (outcome, dumps.into_inner().len())
}

/// Insists on an outcome, on the cookies that were taken, and on having asked for each dump.
#[track_caller]
fn check(dumps: Vec<Chunks>, cookies: &[u64], expected: &Outcome) {
    let mut kept = Kept::default();
    let (outcome, left) = read_script(&request(), &mut kept, dumps);
    assert_eq!(&outcome, expected);
    assert_eq!((&kept.cookies[..], left), (cookies, 0));
}

fn read_whole(gaps: Vec<Gap>) -> Outcome {
    Outcome::Read {
        flow: Flow::More,
        gaps,
    }
}

fn broken(rows: u64, reason: &str) -> Outcome {
    Outcome::Broken {
        rows,
        reason: reason.to_owned(),
        gaps: Vec::new(),
    }
}

#[test]
fn a_whole_dump_is_asked_for_once() {
    check(vec![whole(&[1, 2, 2])], &[1, 2], &read_whole(vec![]));
    check(vec![whole(&[])], &[], &read_whole(vec![]));
}

#[test]
fn what_an_interrupted_dump_missed_is_had_from_the_next() {
    let interrupted = vec![Ok([row(1, 0), row(2, 0x10)].concat()), Ok(end(0))];
    check(
        vec![interrupted, whole(&[2, 3, 1])],
        &[1, 2, 3],
        &read_whole(vec![]),
    );
}

#[test]
fn a_dump_that_is_interrupted_each_time_is_said_to_be() {
    let gap = Gap::Broken {
        tables: vec![TABLE],
        rows: 1,
        reason: INTERRUPTED.to_owned(),
    };
    let dumps = (0..MOST_ATTEMPTS).map(|_| vec![Ok(row(1, 0x10)), Ok(end(0))]);
    check(dumps.collect(), &[1], &read_whole(vec![gap]));
}

#[test]
fn a_kernel_that_never_answers_is_no_machine_without_sockets() {
    let refused = |reason: &str| Outcome::Refused(reason.to_owned());
    let never = |chunks: fn() -> Chunks| (0..MOST_ATTEMPTS).map(|_| chunks()).collect();
    check(never(Vec::new), &[], &refused("no answer"));
    let noise = || vec![Ok(framed(1, 0, 1, &[]))];
    let unended = "the kernel never ended the dump";
    check(never(noise), &[], &refused(unended));
    check(never(|| vec![Ok(row(1, 0))]), &[1], &broken(1, unended));
}

#[test]
fn a_dump_without_an_end_is_begun_again() {
    check(
        vec![vec![Ok(rows(&[1]))], whole(&[1, 2])],
        &[1, 2],
        &read_whole(vec![]),
    );
}

#[test]
fn want_of_memory_passes() {
    let enobufs = || Err(io::Error::from_raw_os_error(libc::ENOBUFS));
    check(
        vec![
            vec![Ok(rows(&[1])), enobufs()],
            vec![Ok([rows(&[2]), end(-libc::ENOMEM)].concat())],
            whole(&[1, 2, 3]),
        ],
        &[1, 2, 3],
        &read_whole(vec![]),
    );
}

#[test]
fn an_error_that_lasts_is_not_asked_for_again() {
    let reason = io::Error::from_raw_os_error(libc::EPERM).to_string();
    let refused = Outcome::Refused(reason.clone());
    check(vec![refusal(libc::EPERM)], &[], &refused);
    let after_rows = vec![Ok(rows(&[1])), Ok(end(-libc::EPERM))];
    check(vec![after_rows], &[1], &broken(1, &reason));
}

#[test]
fn a_filter_that_the_kernel_does_not_know_is_left_to_us() {
    let query = filter::parse("dport = :80", &filter::Known).unwrap();
    let with_filter = Request {
        condition: query.condition,
        ..request()
    };
    let dumps = || vec![refusal(libc::EINVAL), whole(&[1])];
    let (outcome, left) = read_script(&with_filter, &mut Kept::default(), dumps());
    assert_eq!((outcome, left), (read_whole(vec![]), 0));
    // Without one there is nothing that could be left out of the request.
    let (outcome, left) = read_script(&request(), &mut Kept::default(), dumps());
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    assert_eq!(left, 1);
}

/// A request that has the kernel filter.
fn filtered(filter: &str) -> Request {
    let query = filter::parse(filter, &filter::Known).unwrap();
    let mut request = request();
    request.condition = query.condition;
    request.details.extended = true;
    request
}

/// Lengths of the requests that a kernel gets which answers them so.
fn lengths(request: &Request, dumps: Vec<Chunks>) -> (Vec<usize>, Outcome) {
    let (dumps, lengths) = (RefCell::new(VecDeque::from(dumps)), RefCell::default());
    let open = |message: &[u8]| {
        let lengths: &RefCell<Vec<usize>> = &lengths;
        lengths.borrow_mut().push(message.len());
        Ok(Dump::scripted(dumps.borrow_mut().pop_front().unwrap()))
    };
    let walk = Walk::One(TABLE);
    let outcome = read_dumps("dump", open, request, walk, &mut Kept::default()).unwrap();
    assert!(dumps.into_inner().is_empty());
    (lengths.into_inner(), outcome)
}

#[test]
fn a_kernel_that_refuses_a_new_operation_gets_the_old_ones_once() {
    let dumps = |errors: &[i32]| -> Vec<Chunks> {
        let refusals = errors.iter().map(|&errno| refusal(errno));
        refusals.chain([whole(&[1])]).collect()
    };
    let request = filtered("sport = :80 and dev = eth0");
    let (all, _) = lengths(&request, dumps(&[]));
    let (old, _) = lengths(&filtered("sport = :80"), dumps(&[]));
    let (none, _) = lengths(&self::request(), dumps(&[]));
    let (found, outcome) = lengths(&request, dumps(&[libc::EINVAL]));
    assert_eq!((found, outcome), (vec![all[0], old[0]], read_whole(vec![])));
    let (found, outcome) = lengths(&request, dumps(&[libc::EINVAL, libc::EOPNOTSUPP]));
    assert_eq!(
        (found, outcome),
        (vec![all[0], old[0], none[0]], read_whole(vec![]))
    );
}

#[test]
fn marks_that_are_not_for_us_are_a_gap() {
    let (_, outcome) = lengths(
        &filtered("fwmark = 1"),
        vec![refusal(libc::EPERM), whole(&[1])],
    );
    let Outcome::Read { gaps, .. } = outcome else {
        unreachable!("{outcome:?}")
    };
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].loses_sockets());
    assert!(gaps[0].to_string().contains("CAP_NET_ADMIN"), "{}", gaps[0]);
}

#[test]
fn the_kernel_tells_apart_whose_port_it_chose() {
    let check = |filter: &str, dumps, expected: &[(u64, Option<bool>)]| {
        let mut kept = Kept::default();
        let (outcome, left) = read_script(&filtered(filter), &mut kept, dumps);
        assert_eq!((outcome, left), (read_whole(vec![]), 0), "{filter}");
        let found: Vec<_> = kept.cookies.into_iter().zip(kept.autobound).collect();
        assert_eq!(found, expected, "{filter}");
    };
    let (yes, no) = (Some(true), Some(false));
    check("autobound", vec![whole(&[1])], &[(1, yes)]);
    check("not autobound", vec![whole(&[1])], &[(1, no)]);
    check(
        "autobound or sport = :80",
        vec![whole(&[1, 2]), whole(&[2, 3])],
        &[(1, yes), (2, yes), (3, no)],
    );
    // Without a program nothing is told.
    check(
        "autobound",
        vec![refusal(libc::EINVAL), whole(&[1])],
        &[(1, None)],
    );
}

#[test]
fn enough_is_enough() {
    let mut kept = Kept {
        enough: 1,
        ..Kept::default()
    };
    let dump = vec![Ok(rows(&[1])), Ok(rows(&[2])), Ok(end(0))];
    let (outcome, _) = read_script(&request(), &mut kept, vec![dump]);
    assert_eq!(
        outcome,
        Outcome::Read {
            flow: Flow::Enough,
            gaps: vec![]
        }
    );
    assert_eq!(kept.cookies, [1]);
}

#[test]
fn bad_rows_are_counted_in_the_last_attempt_only() {
    let short = || framed(20, 0, 1, &[2; 20]);
    let attempt = |end| vec![Ok([short(), short(), rows(&[1])].concat()), Ok(end)];
    let mut kept = Kept::default();
    let dumps = vec![attempt(end(-libc::ENOMEM)), attempt(end(0))];
    let (outcome, _) = read_script(&request(), &mut kept, dumps);
    let Outcome::Read { gaps, .. } = outcome else {
        unreachable!("{outcome:?}")
    };
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].count(), Some(2));
    // What is read by another way has no bad rows of this one.
    let dumps = vec![vec![Ok([short(), end(-libc::EPERM)].concat())]];
    let (outcome, _) = read_script(&request(), &mut kept, dumps);
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
}

#[test]
fn a_chunk_that_cannot_be_taken_apart_ends_the_dump() {
    let torn = vec![Ok([rows(&[1]), vec![1, 0, 0]].concat())];
    let reason = "truncated message: 3 of 16 bytes";
    check(vec![torn], &[1], &broken(1, reason));
}

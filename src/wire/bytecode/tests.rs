//! Programs, run as the kernel runs them.

use super::*;
use crate::filter::{Fate, Prefix};
use crate::model::{
    Details, Endpoint, Ends, Holder, InetEnds, Owners, PortRange, Process, Processes, Protocol,
    Queues, Row, Socket, State,
};
use proptest::prelude::*;

/// What the kernel knows of a socket.
struct Known {
    socket: Socket,
    details: Details,
    /// Whether nobody asked for its port.
    chosen: bool,
}

impl Known {
    fn row(&self) -> Row<'_> {
        Row {
            details: Some(&self.details),
            ..Row::bare(&self.socket)
        }
    }
}

/// Runs a program as `inet_diag_bc_run` of net/ipv4/inet_diag.c does.
fn runs(program: &[u8], known: &Known) -> bool {
    let Known {
        socket, details, ..
    } = known;
    let ends = socket.inet().unwrap();
    let mut left = i64::try_from(program.len()).unwrap();
    let mut at = 0;
    while left > 0 {
        let op = &program[at..];
        let no = u16::from_ne_bytes([op[2], op[3]]);
        let port = || u16::from_ne_bytes([op[6], op[7]]);
        let word = |at: usize| u32::from_ne_bytes(op[at..at + 4].try_into().unwrap());
        let yes = match op[0] {
            JMP => false,
            S_GE => ends.local.port >= port(),
            S_LE => ends.local.port <= port(),
            D_GE => ends.peer.port >= port(),
            D_LE => ends.peer.port <= port(),
            AUTO => known.chosen,
            S_COND => host(&op[4..], &ends.local),
            D_COND => host(&op[4..], &ends.peer),
            DEV_COND => socket.interface == word(4),
            MARK_COND => details.mark.unwrap_or(0) & word(8) == word(4),
            CGROUP_COND => {
                let id = u64::from_ne_bytes(op[4..12].try_into().unwrap());
                details.cgroup.unwrap_or(0) == id
            }
            other => panic!("operation {other}"),
        };
        let distance = if yes { u16::from(op[1]) } else { no };
        assert!(distance > 0 && distance % 4 == 0, "{program:?}");
        left -= i64::from(distance);
        at += usize::from(distance);
    }
    assert!(left == 0 || left == -4, "{program:?}");
    left == 0
}

fn host(condition: &[u8], endpoint: &Endpoint) -> bool {
    let port = i32::from_ne_bytes([condition[4], condition[5], condition[6], condition[7]]);
    if port != -1 && port != i32::from(endpoint.port) {
        return false;
    }
    let octets = match endpoint.addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    };
    let family = if octets.len() == 4 { AF_INET } else { AF_INET6 };
    let compared = match (condition[0], family) {
        (AF_UNSPEC, _) => return true,
        (wanted, found) if wanted == found => &octets[..],
        (AF_INET, AF_INET6) if octets.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]) => {
            &octets[12..]
        }
        _ => return false,
    };
    let bits = |octets: &[u8]| -> Vec<u8> {
        octets
            .iter()
            .flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1))
            .take(usize::from(condition[1]))
            .collect()
    };
    bits(compared) == bits(&condition[8..])
}

/// Few addresses and ports, so that they meet.
fn addr() -> impl Strategy<Value = IpAddr> {
    prop::sample::select(vec![
        "127.0.0.1",
        "127.0.0.2",
        "10.1.2.3",
        "0.0.0.0",
        "::",
        "::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
    ])
    .prop_map(|text| text.parse().unwrap())
}

fn port() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![0, 22, 80, 443, 65535])
}

fn end() -> impl Strategy<Value = End> {
    prop::sample::select(vec![End::Local, End::Peer])
}

fn condition() -> impl Strategy<Value = Expression> {
    let comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ]);
    let ports = (end(), comparison, port()).prop_map(|(end, comparison, port)| Test::Port {
        end,
        comparison,
        port,
    });
    let prefix = (addr(), 0u8..=128).prop_map(|(addr, length)| {
        let most = if addr.is_ipv4() { 32 } else { 128 };
        Prefix::new(addr, length.min(most)).unwrap()
    });
    let addresses = (end(), prop::option::of(prefix), prop::option::of(port()))
        .prop_map(|(end, prefix, port)| Test::Address { end, prefix, port });
    let families = prop::sample::select(vec![Family::V4, Family::V6]).prop_map(Test::Family);
    let range = PortRange::new(80, 443).unwrap();
    let others = prop::sample::select(vec![
        Test::Autobound(range),
        Test::Interface(0),
        Test::Interface(2),
        Test::Mark { mark: 5, mask: 7 },
        Test::Cgroup(77),
        Test::uid_is(33),
        Test::Netns(crate::model::NetnsId::Inode(1)),
        Test::Pid {
            comparison: Comparison::Equal,
            pid: 7,
        },
        Test::Comm(b"nginx".to_vec()),
        Test::Inode {
            comparison: Comparison::Less,
            inode: 9,
        },
    ]);
    prop_oneof![3 => ports, 3 => addresses, 1 => families, 3 => others]
        .prop_map(Expression::Test)
        .prop_recursive(5, 40, 3, |inner| {
            let parts = prop::collection::vec(inner.clone(), 0..4);
            prop_oneof![
                parts.clone().prop_map(Expression::And),
                parts.prop_map(Expression::Or),
                inner.prop_map(|a| Expression::Not(Box::new(a))),
            ]
        })
}

/// As many tests as a filter may have, and more, come to an end soon.
#[test]
fn what_is_too_long_is_given_up_early() {
    let test = Expression::Test(Test::Port {
        end: End::Local,
        comparison: Comparison::Equal,
        port: 1,
    });
    let of = |count: usize| vec![test.clone(); count];
    let length = compile(&test).unwrap().len();
    for join in [Expression::And, Expression::Or] {
        let most = (1..1000)
            .find(|&count| compile(&join(of(count))).is_none())
            .unwrap();
        assert!(most * (length + OP_LEN) >= MOST_BYTES, "{most}");
        let begun = std::time::Instant::now();
        for _ in 0..100 {
            assert_eq!(compile(&join(of(10_000))), None);
            assert_eq!(compile(&Expression::Not(Box::new(join(of(10_000))))), None);
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(60));
    }
}

/// Insists that an operation is let go by the second program, and by no other test's.
#[test]
fn an_old_kernel_gets_a_program_it_knows() {
    let old = Expression::Test(Test::Family(Family::V4));
    let new = Expression::Test(Test::Interface(2));
    let ours = Expression::Test(Test::uid_is(33));
    let both = Expression::And(vec![new.clone(), old.clone(), ours.clone()]);
    let alone = compile(&old).unwrap();
    assert_eq!(programs(&old), std::slice::from_ref(&alone));
    assert_eq!(
        programs(&both),
        [and(vec![compile(&new).unwrap(), alone.clone()]), alone]
    );
    assert_eq!(programs(&new).len(), 1);
    // Whatever of it may be true is not for the kernel to say.
    assert!(programs(&Expression::Or(vec![both.clone(), ours.clone()])).is_empty());
    assert!(programs(&Expression::Not(Box::new(ours))).is_empty());
    let without = programs(&Expression::Not(Box::new(both)));
    assert!(without.is_empty(), "{without:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn the_kernel_loses_nothing_that_the_evaluator_accepts(
        condition in condition(),
        local in (addr(), port()),
        peer in (addr(), port()),
        chosen in any::<bool>(),
        (interface, uid) in (0u32..3, prop::sample::select(vec![0u32, 33])),
        mark in prop::option::of(4u32..14),
        cgroup in prop::option::of(76u64..78),
        owned in any::<bool>(),
    ) {
        let endpoint = |(addr, port)| Endpoint { addr, port };
        let ends = InetEnds { local: endpoint(local), peer: endpoint(peer) };
        let socket = Socket {
            protocol: Protocol::Tcp,
            state: State::Established,
            v6only: None,
            ends: Ends::Inet(ends),
            interface,
            queues: Queues::Bytes { unread: 0, unacknowledged: 0 },
            timer: None,
            uid,
            inode: 7,
            cookie: 0,
            netns: 0,
        };
        let details = Details {
            mark,
            cgroup,
            autobound: Some(chosen && (80..=443).contains(&ends.local.port)),
            ..Details::default()
        };
        let known = Known { socket, details, chosen };
        let processes = Processes::from([(7, Process { comm: b"nginx".to_vec(), ..Process::default() })]);
        let holders = [Holder { pid: 7, fd: 3 }];
        let owners = match owned {
            true => Owners::Known { holders: &holders, processes: &processes },
            false => Owners::Hidden,
        };
        let holds = condition.holds(&Row { owners, ..known.row() });
        for program in programs(&condition) {
            prop_assert!(runs(&program, &known) || !holds);
        }
        if condition.find(&|test| !Judge::BEST_KERNEL.contains(&test.judge())).is_none() {
            let program = compile(&condition).unwrap();
            prop_assert_eq!(runs(&program, &known), holds);
        }
    }

    #[test]
    fn what_is_known_of_some_tests_is_true_of_all(
        condition in condition(),
        known in any::<u32>(),
        truth in any::<u32>(),
    ) {
        // Tests are told apart by their text.
        let bit = |bits: u32, test: &Test| bits >> (format!("{test:?}").len() % 32) & 1 == 1;
        let whole = condition.weakened(&|test| Fate::Is(bit(truth, test)));
        let part = condition.weakened(&|test| match bit(known, test) {
            true => Fate::Is(bit(truth, test)),
            false => Fate::Unknown,
        });
        let (whole, part) = (whole.as_constant().unwrap(), part.as_constant().unwrap());
        prop_assert!(part || !whole);
    }
}

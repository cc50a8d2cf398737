//! What the parser accepts, what it makes of it, and what it says of mistakes.

use proptest::prelude::*;

use super::super::names::Known;
use super::*;
use crate::model::State;

fn parsed(text: &str) -> Result<Query, FilterError> {
    parse(text, &Known)
}

#[track_caller]
fn check_same(one: &str, other: &str) {
    let one = parsed(one).unwrap();
    assert!(one.condition.is_some());
    assert_eq!(one, parsed(other).unwrap());
}

#[track_caller]
fn check_error(text: &str, column: usize, expected: &str) {
    let error = parsed(text).unwrap_err();
    assert_eq!(error.column, column, "{error}");
    assert!(error.expected.contains(expected), "{error}");
}

#[test]
fn both_spellings_of_operators() {
    check_same("sport = :443", "sport eq 443");
    check_same("sport == https", "sport = :https");
    check_same("dport>=1024", "dport geq :1024");
    check_same("dport < 5 || sport > 6", "dport lt 5 or sport gt 6");
    check_same("! sport = 1 & dport != 2", "not sport = 1 and dport neq 2");
    check_same("src = 10.0.0.1", "src 10.0.0.1/32");
    check_same("src = \"10.0.0.1\" sport ':1'", "src 10.0.0.1 sport :1");
    check_same(
        "dst != [::1]:https",
        "not dst ne [::1]:443".trim_start_matches("not "),
    );
}

#[test]
fn addresses_with_and_without_brackets() {
    check_same("dst [fe80::]/10", "dst fe80::/10");
    check_same("dst [fe80::]/10:https", "dst [fe80::]/10:443");
    check_same("src 10.0.0.0/8:443", "src = 10.0.0.0/8:https");
    check_same("src *:443", "src :443");
    check_same("dst *", "dst :*");
    check_error("dst [::1", 5, "an address");
    check_error("dst [::1]x", 5, "an address");
    check_error("dst /8", 5, "an address");
    for text in [
        "[]",
        "[]:1",
        "[*]:1",
        "[::1]:1:2",
        "[::1]80",
        "[10.0.0.1]0",
        "[::1/8]/8",
        "::1/8/8",
        "1.2.3.4.5",
    ] {
        check_error(&format!("dst {text} )"), 5, "an address");
    }
    check_error("dst 1.2.3.4/255.0.255.0", 5, "an address");
    check_error("dst 1.2.3.4/+8", 5, "an address");
    check_error("dst inet:inet:1.2.3.4", 5, "an address");
}

#[test]
fn families_stand_before_what_is_theirs() {
    check_same("src link:IP:eth0", "src = link:0x800:eth0");
    check_same("src link:*:*", "src link:");
    check_same("sport = link:eth0", "src link::eth0");
    check_same("src netlink:rtnl:kernel", "src netlink:route:0");
    check_same("src netlink:16:-1", "src netlink:genl:4294967295");
    check_same("sport netlink:7", "src netlink::7");
    check_same("src != unix:/a", "not src unix:/a");
    check_same("src \"unix:/a b\"", r"src unix:/a\ b");
    check_error("src link:nope", 5, "link:PROTOCOL");
    check_error("sport > link:eth0", 9, "a port");
}

#[test]
fn addresses_as_ss_reads_them() {
    check_same("sport :8080", "sport = :8080");
    check_same(
        "dport https and sport 8080",
        "dport = :443 and sport = :8080",
    );
    check_same("dst 127/8", "dst 127.0.0.0/8");
    check_same("dst 10.1/16:443", "dst 10.1.0.0/16:443");
    check_same("dst 127", "dst 127.0.0.0");
    check_same("dst 10.0.0.0/255.0.0.0", "dst 10.0.0.0/8");
    check_same("src ::1:445", "src [::1]:445");
    check_same("src [fe80::/10]:443", "src fe80::/10:443");
    check_same("src [fe80::]/10:443", "src fe80::/10:443");
    check_same("src [10.0.0.0/8]:443", "src 10.0.0.0/8:443");
    check_same("src ::ffff:10.0.0.1:https", "src [::ffff:10.0.0.1]:443");
    check_same("src 10.0.0.1:", "src 10.0.0.1:*");
    // What ss refuses, as it takes the last number for a port.
    check_same("src ::1", "src [::1]");
    check_same("src ::", "src [::]");
    check_same("src 1:2:3:4:5:6:7:8", "src [1:2:3:4:5:6:7:8]");
    check_same("src 1:2:3:4:5:6:7:8:443", "src [1:2:3:4:5:6:7:8]:443");
    check_same("src ::ffff:10.1.2.3", "src [::ffff:10.1.2.3]");
}

#[test]
fn a_host_is_any_of_its_addresses() {
    check_same("dst db", "dst 10.0.0.1 or dst [fe80::1]");
    check_same("dst [db]:443", "dst db:https");
    check_same("dst db:https", "dst 10.0.0.1:443 or dst [fe80::1]:443");
    check_same("dst != db", "not ( dst 10.0.0.1 or dst [fe80::1] )");
    check_error("dst db/8", 5, "an address");
    check_error("dst db:nope", 5, "an address");
    let reason = |text| parsed(text).unwrap_err().reason;
    assert_eq!(reason("dst web").as_deref(), Some("unknown"));
    // What cannot be a name is not asked for.
    for text in [
        "dst 1.2.3.4.5",
        "dst [db]x",
        "dst a/b",
        "dst ü",
        "dst 99999",
    ] {
        assert_ne!(reason(text).as_deref(), Some("unknown"), "{text}");
    }
}

#[test]
fn what_a_socket_tells_of_itself() {
    check_same("dev eth0", "dev == 2");
    check_same("dev != 0x2", "not dev = eth0");
    check_same("fwmark 16/0xff", "fwmark eq 0x10/0377");
    check_same("fwmark ne 1", "! fwmark = 0x1/0xffffffff");
    check_same("cgroup \"/a\\x20b\"", "cgroup = '/a b'");
    check_same("cgroup unreachable:4d", "cgroup = '/a b'");
    check_same("user = www-data", "uid = 33");
    check_same("user != 33", "uid != 33");
    check_same("uid gt 5", "uid > 5");
    check_same("inode leq 5", "inode <= 5");
    check_same("netns blue", "netns = 4026532000");
    check_same("AUTOBOUND dev 2", "autobound and dev = eth0");
    check_same("src any:80 dst all", "src *:80 dst default");
    check_same("sport = 0x50", "sport = :80");
    check_same("sport *", "sport = *:*");
    check_error("dev", 4, "the name or index of an interface");
    check_error("dev = nope", 7, "the name or index of an interface");
    check_error("dev > 1", 5, "no order");
    check_error("dev = ( sport = 1 )", 7, "an interface");
    check_error("fwmark = 0x1ffffffff", 10, "a mark");
    check_error("fwmark = 1/x", 10, "a mark");
    check_error("cgroup = /nope", 10, "path of a cgroup");
    check_error("user = nobody9", 8, "name of a user");
    check_error("user > 5", 6, "no order");
    check_error("uid = root", 7, "number of a user");
    check_error("inode x", 7, "=, !=");
    check_error("inode = -1", 9, "the inode of a socket");
    check_error("netns = red", 9, "network namespace");
    check_error("sport > *", 9, "a port");
    check_error("autobound = 1", 11, "sport, dport");
    check_error("sport = 1 state all", 11, "a test");
    let reason = |text| parsed(text).unwrap_err().to_string();
    assert!(reason("dev nope").contains("found \"nope\" (unknown)\n"));
    assert!(reason("sport = 1 state all").contains("(states come before everything else)"));
}

#[test]
fn what_is_asked_of_owners() {
    check_same("pid 7", "pid == 7");
    check_same("pid != 7", "not pid = 7");
    check_same("pid ge 7", "pid >= 7");
    check_same("comm = 'tmux: server'", r"comm tmux:\ server");
    check_same("unit ne ssh.service", "! unit = ssh.service");
    check_same("container = \"and\"", "container eq 'and'");
    check_error("pid = x", 7, "number of a process");
    check_error("pid = 4294967296", 7, "number of a process");
    check_error("comm > a", 6, "no order");
    check_error("comm = ''", 8, "name of a process");
    check_error("unit = and", 8, "name of a systemd unit");
    check_error("container", 10, "id or name of a container");
}

#[test]
fn and_binds_closer_than_or_and_may_be_left_out() {
    check_same(
        "sport = 1 or sport = 2 dport = 3",
        "sport = 1 or ( sport = 2 and dport = 3 )",
    );
    check_same(
        "sport = 1 dport = 2 or dport = 3",
        "( sport = 1 && dport = 2 ) | dport = 3",
    );
}

#[test]
fn states_add_up_and_exclusions_take_away() {
    let states = |text| parsed(text).unwrap().states.unwrap();
    assert!(states("state listening state time-wait").contains(State::TimeWait));
    let open = states("exclude time-wait exclude listening");
    assert!(!open.contains(State::TimeWait) && open.contains(State::Established));
    assert!(states("state BIG").contains(State::Listen));
    assert_eq!(parsed("").unwrap(), Query::default());
}

#[test]
fn mistakes_name_their_column_and_what_was_expected() {
    check_error("sport = :http999", 9, "a port");
    check_error("sport nope", 7, "=, !=");
    check_error("sport", 6, "=, !=");
    check_error("src localhost", 5, "the name of a host");
    check_error("src localhost:80", 5, "the name of a host");
    check_error("state nope", 7, "a state");
    check_error("sport = :80 )", 13, "and, or");
    check_error("( sport = :80", 14, "\")\"");
    check_error("dst < 10.0.0.0/8", 5, "no order");
    check_error("dst 10.0.0.0/33", 5, "an address");
    check_error("why 8080", 1, "sport, dport");
    check_error("sport = 99999", 9, "a port");
    check_error("sport = :80 and", 16, "sport, dport");
    check_error(&"! ".repeat(100), 129, "64 levels");
    check_error(&"( ".repeat(100_000), 129, "64 levels");
    check_error("ü sport", 1, "sport");
    check_error("sport = 1 and \"dport = 2", 15, "a quote that is closed");
    check_error("'sport' = 1", 1, "sport, dport");
    check_error("comm nginx worker", 12, "and, or, sport");
    check_error("src 10.0.0.1 10.0.0.2", 14, "and, or, sport");
    check_error("sport >= :1 <= :2", 13, "and, or, sport");
    check_error("sport = 1 'and' dport = 2", 11, "sport, dport");
}

#[test]
fn what_is_nearly_an_address_is_told_what_it_lacks() {
    for (text, reason) in [
        ("dst 10.0.0.0/33", "at most 32 bits"),
        ("dst 10.0.0.0/33:80", "at most 32 bits"),
        ("src fe80::/129", "at most 128 bits"),
        ("src [fe80::]/300:80", "at most 128 bits"),
        ("src 10.0.0.0/255.0.255.0", "zeros behind them"),
        ("src 10.0.0.0/x", "no number"),
        ("dst 300.1.1.1", "at most 255"),
        ("dst 1.2.3.4.5:80", "at most 255"),
        ("dst 010.0.0.1", "without zeros before it"),
        ("dst fe80::1%lo", "dst fe80::1 and dev eth0"),
    ] {
        let error = parsed(text).unwrap_err();
        let told = error.reason.as_deref().unwrap_or_default();
        assert!(told.contains(reason), "{text}: {told}");
    }
}

#[test]
fn families_before_addresses_may_be_in_any_case() {
    check_same("src INET:127.0.0.1", "src inet:127.0.0.1");
    check_same("src Unix:@x", "src unix:@x");
    check_same("sport = NETLINK:5", "sport = netlink:5");
}

#[test]
fn a_long_chain_is_no_deep_one() {
    for (word, holds) in [("or", true), ("and", false), ("", false)] {
        let part = format!("sport = :1 {word} ");
        let chain = part.repeat(MOST_TESTS - 1) + "sport = :2";
        let condition = parsed(&chain).unwrap().condition.unwrap();
        let (Expression::And(parts) | Expression::Or(parts)) = &condition else {
            panic!("{word}: no chain")
        };
        assert_eq!(
            (parts.len(), matches!(condition, Expression::Or(_))),
            (MOST_TESTS, holds)
        );
        check_error(
            &(part.repeat(MOST_TESTS) + "sport = :2"),
            MOST_TESTS * part.len() + 1,
            "at most 10000 tests",
        );
    }
}

#[test]
fn of_a_long_filter_the_place_of_the_mistake_is_shown() {
    let shown = |filter: &str| parsed(filter).unwrap_err().to_string();
    let chain = "sport = :1 or ".repeat(5000);
    assert_eq!(
        shown(&format!("{chain}nope or {chain}")),
        format!(
            "filter, column 70001: expected {TESTS}, found \"nope\"\n  \
         …r sport = :1 or sport = :1 or nope or sport = :1 or sport = …\n  \
         \u{20}                              ^"
        )
    );
    assert_eq!(
        shown(&chain[..70_000 - 1]).lines().last(),
        Some(format!("  {}^", " ".repeat(61)).as_str())
    );
    let word = shown(&"x".repeat(70_000));
    assert!(word.len() < 300, "{word}");
    // What fits is shown whole.
    let short = "sport = :1 or nope";
    assert_eq!(
        shown(short).lines().skip(1).collect::<Vec<_>>(),
        [&format!("  {short}")[..], "                ^"]
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}") {
        let _ = parsed(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn no_near_miss_makes_it_panic(
        words in proptest::collection::vec(
            "(sport|dst|state|all|=|!|\\(|\\)|and|or|:443|::1|10.0.0.0/8|dev|fwmark|cgroup|\
             autobound|user|inode|netns|pid|comm|'a b'|\"|\\\\|>|7|0x1/2)", 0..12
        )
    ) {
        let _ = parsed(&words.join(" ")).map_err(|error| error.to_string());
    }
}

//! Advice that helps whoever reads it, where he is, and says no more than there is to say.

use super::*;

fn bind(addr: &str, theirs: &[&str]) -> Scene<'static> {
    let socket = |local: &&str| (socket(State::Listen, local, None), vec![MASTER]);
    let blocker = |index| blocker(Cause::Listener, Some(index), &[Fix::AnotherAddress]);
    let blockers = (0..theirs.len()).map(blocker).collect();
    let answer = blocked(query(addr, 8080), Errno::AddressInUse, blockers);
    Scene::new(theirs.iter().map(socket).collect(), vec![answer])
}

/// A connect to which no port, address or way is there.
fn connect(to: &str, port: u16, blocker: Blocker) -> Scene<'static> {
    let asked = Query {
        operation: Operation::Connect {
            destination: end(to),
            binds_first: false,
        },
        addr: None,
        ..query("0.0.0.0", port)
    };
    let answer = blocked(asked, Errno::AccessDenied, vec![blocker]);
    Scene::new(Vec::new(), vec![answer])
}

#[track_caller]
fn check(scene: &Scene<'_>, part: &str) {
    let text = scene.people();
    assert!(text.contains(part), "{part}\n{text}");
}

#[test]
fn another_address_is_no_way_where_every_address_is_taken() {
    let (port, either) = (
        "  1. listen on another port\n",
        "  1. listen on another port, or on another address\n",
    );
    for (asked, theirs, expected) in [
        ("127.0.0.1", &["0.0.0.0:8080"][..], port),
        ("192.0.2.1", &["[::]:8080"], port),
        ("::ffff:127.0.0.1", &["0.0.0.0:8080"], port),
        ("::1", &["[::]:8080"], port),
        ("0.0.0.0", &["0.0.0.0:8080"], port),
        ("0.0.0.0", &["127.0.0.1:8080"], either),
        ("0.0.0.0", &["127.0.0.1:8080", "0.0.0.0:8080"], port),
        ("127.0.0.1", &["127.0.0.1:8080"], either),
        // The addresses of IPv6 are left.
        ("::", &["0.0.0.0:8080"], either),
    ] {
        check(&bind(asked, theirs), expected);
    }
    let mut of_udp = bind("127.0.0.1", &["0.0.0.0:8080"]);
    of_udp.answers[0].0.query.protocol = Protocol::Udp;
    check(&of_udp, "  1. use another port\n");
}

#[test]
fn addresses_are_listed_where_they_are() {
    let blocker = blocker(Cause::AddressNotLocal, None, &[Fix::OwnAddress]);
    let asked = query("192.0.2.9", 8080);
    let answer = blocked(asked, Errno::AddressNotAvailable, vec![blocker]);
    let mut scene = Scene::new(Vec::new(), vec![answer]);
    check(&scene, "of this machine (ip addr lists them)\n");
    scene.entrance = Some(Entrance::Name(b"blue".to_vec()));
    check(&scene, "(ip netns exec blue ip addr lists them)\n");
    scene.reader = 1000;
    check(&scene, "(sudo ip netns exec blue ip addr lists them)\n");
}

/// A group of root's.
fn group(change: impl FnOnce(&mut Scene<'_>)) -> Scene<'static> {
    let mut scene = bind("0.0.0.0", &["0.0.0.0:8080"]);
    let answer = &mut scene.answers[0].0;
    answer.blockers = vec![blocker(Cause::ReuseportGroup, Some(0), &[Fix::SameUser])];
    change(&mut scene);
    scene
}

#[test]
fn nobody_is_told_to_be_who_he_is_or_cannot_be() {
    check(
        &group(|_| {}),
        "  1. set SO_REUSEPORT on the new socket, as the others do\n",
    );
    let of = |uid: u32, reuse_port: bool| {
        group(|scene| {
            let query = &mut scene.answers[0].0.query;
            (query.user.uid, query.reuse_port) = (uid, reuse_port);
        })
    };
    check(
        &of(1000, false),
        "  1. run as root, and set SO_REUSEPORT as the others do\n",
    );
    check(&of(1000, true), "  1. run as root\n");
    let mut stranger = of(1000, true);
    stranger.anonymous = Some(0);
    check(
        &stranger,
        "  1. run as the user whose they are, whom this user namespace does not know\n",
    );
}

#[test]
fn root_of_another_user_namespace_is_named_as_such() {
    let mut scene = bind("0.0.0.0", &["0.0.0.0:8080"]);
    scene.answers[0].0.blockers = vec![blocker(
        Cause::PrivilegedPort,
        None,
        &[Fix::AllowLowPort, Fix::AddAddress],
    )];
    check(&scene, "\n       sysctl -w net.ipv4");
    scene.root_is_outside = true;
    check(
        &scene,
        "let every user bind the ports from 8080 on, outside of this user namespace\n       \
         sudo sysctl -w net.ipv4.ip_unprivileged_port_start=8080\n",
    );
}

#[test]
fn who_asks_again_elsewhere_would_ask_for_another_user() {
    let mut scene = bind("0.0.0.0", &["0.0.0.0:8080"]);
    scene.sockets[0].1.clear();
    scene.answers[0].0.blockers[0].fixes = vec![Fix::StopOwner];
    scene.gaps = vec![Gap::Owners {
        count: 1,
        cause: HiddenCause::Permission,
    }];
    check(&scene, "\n       sudo portstat why 0.0.0.0:8080/tcp\n");
    let mut anonymous = scene;
    anonymous.answers[0].0.query.user.is_anonymous = true;
    assert!(
        !anonymous.people().contains("sudo"),
        "{}",
        anonymous.people()
    );
    anonymous.answers[0].0.query.user.is_anonymous = false;
    anonymous.root_is_outside = true;
    assert!(
        !anonymous.people().contains("sudo"),
        "{}",
        anonymous.people()
    );
}

#[test]
fn two_sockets_on_one_address_are_counted() {
    let mut scene = bind("0.0.0.0", &["127.0.0.1:8080", "127.0.0.1:8080"]);
    for blocker in &mut scene.answers[0].0.blockers {
        blocker.cause = Cause::ReuseportGroup;
    }
    check(
        &scene,
        "nginx[812] listens on 127.0.0.1:8080 with 2 sockets, together by SO_REUSEPORT\n",
    );
}

#[test]
fn a_route_that_is_missing_is_one_over_the_interface() {
    let blocker = blocker(Cause::NoRoute, None, &[Fix::AddRoute]);
    let mut scene = connect("10.9.9.9:80", 0, blocker);
    scene.machine.route = Some(Route::None(Errno::NetworkUnreachable));
    check(
        &scene,
        "add a route: ip route add 10.9.9.9/32 via GATEWAY\n",
    );
    check(&scene, "is blocked: no route leads to 10.9.9.9\n");
    scene.device = Some("v5");
    check(&scene, "ip route add 10.9.9.9/32 via GATEWAY dev v5\n");
}

#[test]
fn a_way_that_is_refused_is_there() {
    let blocker = blocker(Cause::NoRoute, None, &[Fix::AddRoute]);
    let mut scene = connect("10.9.9.9:80", 0, blocker);
    scene.machine.route = Some(Route::None(Errno::AccessDenied));
    check(
        &scene,
        "any address -> 10.9.9.9:80/tcp is blocked: a rule or route refuses 10.9.9.9\n",
    );
}

#[test]
fn several_that_do_not_serve_are_several() {
    let mut scene = bind("0.0.0.0", &["0.0.0.0:8080"]);
    scene.serves = Some(false);
    scene.answers[0].0.blockers[0].cause = Cause::InheritedByChild;
    check(
        &scene,
        "It neither serves the socket nor waits for anything",
    );
    scene.sockets[0].1.push(WORKER);
    check(
        &scene,
        "They neither serve the socket nor wait for anything",
    );
    check(&scene, "or they hang.");
}

#[test]
fn a_doubt_is_told_once() {
    let mut scene = bind("0.0.0.0", &[]);
    let answer = &mut scene.answers[0].0;
    (answer.outcome, answer.errno) = (Outcome::Unknown, None);
    answer.assumptions = vec![Assumption::PortsWithinBounds, Assumption::AddressIsLocal];
    let first = "0.0.0.0:8080/tcp may be free or not: the number of free ephemeral ports is known \
                 only within bounds; --probe tells\n";
    let text = scene.people();
    assert!(text.starts_with(first), "{text}");
    assert_eq!(text.matches("within bounds").count(), 1, "{text}");
    assert!(text.contains("assumed: the addresses of"), "{text}");
    // It tells of TCP alone.
    scene.answers[0].0.query.protocol = Protocol::Udp;
    assert!(!scene.people().contains("--probe"), "{}", scene.people());
}

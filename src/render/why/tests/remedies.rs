//! Commands that are advised: each ends what is in the way, and nothing else.

use super::*;

/// A listener of one process, which is to be stopped.
fn held_by(process: (u32, &'static str, &'static str, u32, &'static str)) -> Scene<'static> {
    let listener = socket(State::Listen, "0.0.0.0:8080", None);
    let answer = blocked(
        query("0.0.0.0", 8080),
        Errno::AddressInUse,
        vec![blocker(Cause::Listener, Some(0), &[Fix::StopOwner])],
    );
    Scene::new(vec![(listener, vec![process])], vec![answer])
}

fn commands(scene: &Scene<'_>) -> Vec<String> {
    let document = scene.program();
    let fixes = document["answers"][0]["blockers"][0]["fixes"].as_array();
    let commands = fixes.unwrap().iter();
    let commands = commands.filter_map(|fix| fix["command"].as_str().map(str::to_owned));
    commands.collect()
}

#[test]
fn units_that_systemctl_would_misread_are_not_given_to_it() {
    for unit in [
        "--host=evil.service",
        "*.service",
        "a?.service",
        "[a].service",
        "a b.service",
        "\u{fc}.service",
    ] {
        assert_eq!(
            commands(&held_by((55, "x", unit, 1, "x"))),
            ["kill 55"],
            "{unit}"
        );
    }
    let escaped = held_by((55, "x", r"a\x2db@1.service", 1, "x"));
    assert_eq!(
        commands(&escaped),
        [r"systemctl stop -- 'a\x2db@1.service'"]
    );
}

#[test]
fn units_of_users_are_stopped_by_their_manager() {
    let mut scene = held_by((55, "x", "web.service", 1, "x"));
    scene.user_units = vec![(55, 1000)];
    assert_eq!(
        commands(&scene),
        ["systemctl --user -M 1000@.host stop -- web.service"]
    );
    scene.user_units = vec![(55, 0)];
    assert_eq!(commands(&scene), ["systemctl --user stop -- web.service"]);
}

#[test]
fn containers_are_stopped_whole() {
    for unit in [
        "docker-ab12.scope",
        "libpod-ab12.scope",
        "cri-containerd-ab12.scope",
        "crio-ab12.scope",
        "systemd-nspawn@box.service",
    ] {
        let scene = held_by((55, "x", unit, 44, "x"));
        assert_eq!(commands(&scene), [format!("systemctl stop -- {unit}")]);
        let text = format!("stop the container {unit}, in which it runs\n");
        assert!(scene.people().contains(&text), "{unit}");
    }
    for unit in ["libpod-conmon-ab12.scope", "session-1.scope", "init.scope"] {
        assert_eq!(commands(&held_by((55, "x", unit, 44, "x"))), ["kill 55"]);
    }
}

#[test]
fn only_systemd_keeps_sockets_for_units() {
    let systemd = held_by((1, "systemd", "init.scope", 0, "/sbin/init"));
    assert_eq!(commands(&systemd), ["systemctl list-sockets --all"]);
    // The first process of a container.
    let nginx = held_by((1, "nginx", "", 0, "nginx: master process"));
    assert_eq!(commands(&nginx), ["kill 1"]);
}

#[test]
fn published_ports_name_their_container() {
    let mut scene = held_by((88, "docker-proxy", "docker.service", 9, "docker-proxy"));
    let mut published = |by, protocol| {
        scene.published = vec![(
            88,
            Published {
                by,
                container: None,
            },
        )];
        scene.answers[0].0.query.protocol = protocol;
        commands(&scene)
    };
    assert_eq!(
        published(Publisher::DockerProxy, Protocol::Tcp),
        ["docker ps --filter publish=8080"]
    );
    assert_eq!(
        published(Publisher::RootlessKit, Protocol::Udp),
        ["docker ps --filter publish=8080/udp"]
    );
    assert_eq!(
        published(Publisher::RootlessPort, Protocol::Tcp),
        ["podman port --all"]
    );
}

#[test]
fn whoever_asks_again_as_root_asks_the_same() {
    let mut scene = held_by((1, "", "", 0, ""));
    scene.sockets[0].1.clear();
    scene.gaps = vec![Gap::Owners {
        count: 1,
        cause: HiddenCause::Permission,
    }];
    scene.device = Some("eth0");
    let user = User {
        uid: 1000,
        is_anonymous: false,
        may_bind_low: None,
    };
    scene.answers[0].0.query = Query {
        reuse_address: true,
        reuse_port: true,
        v6only: true,
        free_bind: true,
        user,
        ..query("fe80::1", 8080)
    };
    assert_eq!(
        commands(&scene),
        [
            "sudo portstat why '[fe80::1]:8080/tcp' --reuseaddr --reuseport --v6only --free-bind \
          --dev=eth0 --user 1000"
        ]
    );
    scene.device = Some("-a b");
    scene.answers[0].0.query = Query {
        operation: Operation::Connect {
            destination: end("10.0.0.5:5432"),
            binds_first: true,
        },
        user,
        ..query("10.0.0.9", 0)
    };
    assert_eq!(
        commands(&scene),
        ["sudo portstat why 10.0.0.9:0 --connect 10.0.0.5:5432/tcp --dev='-a b' --user 1000"]
    );
    scene.device = Some("\u{fc}");
    assert!(commands(&scene).is_empty());
}

/// Connections of one cause, and others on the port that are in nobody's way.
fn remaining(ours: &[(&str, &str)], others: &[(State, &str, &str)]) -> Scene<'static> {
    let fixes = [Fix::Destroy];
    let blockers = (0..ours.len()).map(|index| blocker(Cause::TimeWait, Some(index), &fixes));
    let answer = blocked(
        query("0.0.0.0", 8080),
        Errno::AddressInUse,
        blockers.collect(),
    );
    let ours = ours.iter();
    let ours = ours.map(|(local, peer)| (State::TimeWait, *local, *peer));
    let all = ours.chain(others.iter().copied());
    let sockets = all.map(|(state, local, peer)| (socket(state, local, Some(peer)), Vec::new()));
    Scene::new(sockets.collect(), vec![answer])
}

/// What destroys all of them, as people are told.
fn destroying(scene: &Scene<'_>) -> Option<String> {
    let text = scene.people();
    let mut lines = text.lines().map(str::trim_start);
    lines
        .find(|line| line.starts_with("portstat -"))
        .map(str::to_owned)
}

#[test]
fn no_socket_is_destroyed_that_is_in_nobodys_way() {
    let ours = [
        ("10.0.0.1:8080", "10.0.0.9:1"),
        ("10.0.0.1:8080", "10.0.0.9:2"),
        ("[fd00::1]:8080", "[fd00::9]:3"),
        ("[::ffff:10.0.0.1]:8080", "[::ffff:10.0.0.9]:4"),
    ];
    let command =
        "portstat -tK state time-wait '( src 10.0.0.1:8080 or src [fd00::1]:8080 )'".to_owned();
    let elsewhere = (State::TimeWait, "10.0.0.2:8080", "10.0.0.9:5");
    let open = (State::Established, "10.0.0.1:8080", "10.0.0.9:5");
    let scene = remaining(&ours, &[elsewhere, open]);
    assert_eq!(destroying(&scene), Some(command));
    // What the filter would find too.
    for local in ["10.0.0.1:8080", "[::ffff:10.0.0.1]:8080"] {
        let scene = remaining(&ours, &[(State::TimeWait, local, "10.0.0.9:5")]);
        assert_eq!(destroying(&scene), None, "{local}");
        assert!(scene.people().contains("destroy all 4 (no -K filter"));
    }
    let many: Vec<String> = (1..=9).map(|host| format!("10.0.0.{host}:8080")).collect();
    let many: Vec<(&str, &str)> = { many.iter() }
        .map(|local| (local.as_str(), "10.0.1.1:1"))
        .collect();
    assert_eq!(destroying(&remaining(&many, &[])), None);
    let one = remaining(&ours[..3], &[open]);
    assert!(
        destroying(&one)
            .unwrap()
            .contains("src 10.0.0.1:8080 dst 10.0.0.9:1 ")
    );
}

#[test]
fn what_changes_the_question_helps_against_everything_or_is_not_advised() {
    let listeners = ["127.0.0.1:8080", "[::1]:8080"];
    let sockets = listeners.map(|local| (socket(State::Listen, local, None), vec![MASTER]));
    let fixes = [Fix::V6Only, Fix::AnotherAddress];
    let causes = [Cause::Listener, Cause::DualStackListener];
    let answer = |fixes: [&[Fix]; 2]| {
        let blockers = [0, 1].map(|index| blocker(causes[index], Some(index), fixes[index]));
        blocked(query("::", 8080), Errno::AddressInUse, blockers.to_vec())
    };
    let scene = |fixes| Scene::new(sockets.to_vec(), vec![answer(fixes)]);
    let told = |scene: &Scene<'_>| {
        let document = scene.program()["answers"].to_string();
        let both = [scene.people(), document];
        both.map(|text| text.contains("set IPV6_V6ONLY"))
    };
    assert_eq!(told(&scene([&fixes, &fixes[1..]])), [false, false]);
    assert_eq!(told(&scene([&fixes, &fixes])), [true, true]);
    // A connection goes with its listener, and asks for nothing of its own.
    assert_eq!(told(&scene([&fixes, &[]])), [true, true]);
}

#[test]
fn what_goes_by_itself_is_no_hope_where_a_listener_stays() {
    let rest = socket(State::TimeWait, "127.0.0.1:8080", Some("127.0.0.1:5"));
    let listener = socket(State::Listen, "0.0.0.0:8080", None);
    let blockers = vec![
        blocker(Cause::Listener, Some(0), &[Fix::StopOwner]),
        blocker(Cause::TimeWait, Some(1), &[Fix::Wait]),
    ];
    let answer = blocked(query("0.0.0.0", 8080), Errno::AddressInUse, blockers);
    let sockets = vec![(listener, vec![MASTER]), (rest, Vec::new())];
    let mut scene = Scene::new(sockets, vec![answer]);
    let doubt = "it goes by itself, but what else is in the way does not";
    assert!(scene.people().contains(doubt), "{}", scene.people());
    scene.answers[0].0.blockers.remove(0);
    assert!(!scene.people().contains("what else"));
}

#[test]
fn connections_of_a_listener_are_told_with_it() {
    let mut sockets = vec![(socket(State::Listen, "0.0.0.0:8080", None), vec![MASTER])];
    let mut blockers = vec![blocker(Cause::Listener, Some(0), &[Fix::StopOwner])];
    for index in 1..=3 {
        let peer = format!("127.0.0.1:{index}");
        let row = socket(State::Established, "127.0.0.1:8080", Some(&peer));
        sockets.push((row, vec![MASTER]));
        blockers.push(blocker(Cause::ConnectionRemains, Some(index), &[]));
    }
    let answer = blocked(query("0.0.0.0", 8080), Errno::AddressInUse, blockers);
    let scene = Scene::new(sockets, vec![answer]);
    let text = scene.people();
    assert!(text.contains("\n  and its 3 connections\n"), "{text}");
    for part in ["more is in the way", "Also in the way", "ESTAB"] {
        assert!(!text.contains(part), "{part}\n{text}");
    }
    assert_eq!(
        scene.program()["answers"][0]["blockers"][3]["cause"],
        "connection-remains"
    );
}

#[test]
fn a_document_has_so_many_of_a_cause_and_counts_all() {
    let mut ours: Vec<String> = Vec::new();
    for port in 1..=150 {
        ours.push(format!("127.0.0.1:{port}"));
    }
    let ours: Vec<(&str, &str)> = { ours.iter() }
        .map(|peer| ("127.0.0.1:8080", peer.as_str()))
        .collect();
    let mut scene = remaining(&ours, &[]);
    let rights = blocker(Cause::PrivilegedPort, None, &[Fix::AllowLowPort]);
    scene.answers[0].0.blockers.push(rights);
    let answer = &scene.program()["answers"][0];
    let blockers = answer["blockers"].as_array().unwrap();
    assert_eq!(blockers.len(), 101);
    assert_eq!(blockers[100]["cause"], "privileged-port");
    assert_eq!(answer["blockers_total"], 151);
}

#[test]
fn addresses_of_ipv4_in_the_form_of_ipv6_are_ipv4s() {
    let fixes = [Fix::AddAddress, Fix::NonlocalBind];
    let blocker = blocker(Cause::AddressNotLocal, None, &fixes);
    let asked = query("::ffff:192.0.2.5", 8080);
    let answer = blocked(asked, Errno::AddressNotAvailable, vec![blocker]);
    let mut scene = Scene::new(Vec::new(), vec![answer]);
    assert_eq!(
        commands(&scene),
        [
            "ip addr add 192.0.2.5/32 dev lo",
            "sysctl -w net.ipv4.ip_nonlocal_bind=1"
        ]
    );
    scene.device = Some("eth0");
    assert_eq!(commands(&scene)[0], "ip addr add 192.0.2.5/32 dev eth0");
}

#[test]
fn the_address_that_is_unfit_is_named() {
    let unfit = |from: Option<&str>, to: Option<&str>| {
        let mut asked = query("0.0.0.0", 0);
        asked.addr = from.map(|addr| addr.parse().unwrap());
        if let Some(to) = to {
            asked.operation = Operation::Connect {
                destination: end(to),
                binds_first: false,
            };
        }
        let blocker = blocker(Cause::AddressUnfit, None, &[]);
        let answer = blocked(asked, Errno::Invalid, vec![blocker]);
        let text = Scene::new(Vec::new(), vec![answer]).people();
        let (_, text) = text.split_once("is blocked: ").unwrap();
        text.lines().next().unwrap().to_owned()
    };
    let without = "is a link-local address, and no interface is named with it";
    assert_eq!(
        unfit(None, Some("[fe80::1]:80")),
        format!("fe80::1 {without}")
    );
    assert_eq!(unfit(Some("fe80::2"), None), format!("fe80::2 {without}"));
    assert_eq!(
        unfit(Some("fe80::2"), Some("[fd00::1]:80")),
        format!("fe80::2 {without}")
    );
    assert_eq!(
        unfit(Some("10.0.0.9"), Some("224.0.0.1:80")),
        "224.0.0.1 is a multicast address, to which TCP does not connect"
    );
    assert_eq!(
        unfit(None, Some("255.255.255.255:80")),
        "255.255.255.255 is a broadcast address, to which TCP does not connect"
    );
    assert_eq!(
        unfit(Some("ff02::1"), None),
        "ff02::1 is a multicast address, which TCP cannot have"
    );
}

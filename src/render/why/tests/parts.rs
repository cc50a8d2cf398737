//! Documents, single lines, and names that would forge them.

use super::*;

#[test]
fn the_document_has_every_key_of_the_contract() {
    let document = dual_stack().program();
    assert_eq!(document["schema"], "portstat.why.v1");
    assert_eq!(document["port"]["service"], "http-alt");
    assert_eq!(document["port"]["listeners"][0]["local"]["addr"], "::");
    let answer = &document["answers"][0];
    let query = &answer["query"];
    assert_eq!(
        (&query["op"], &query["port"]),
        (&"bind".into(), &8080.into())
    );
    assert!(query["dst"].is_null() && query["v6only"].is_null());
    assert_eq!(document["answers"][1]["query"]["v6only"], false);
    assert_eq!(answer["verdict"], "blocked");
    assert_eq!(answer["errno"], "EADDRINUSE");
    assert_eq!(answer["certainty"], "exact");
    assert_eq!(answer["with_reuseaddr"], "blocked");
    assert!(answer["probe"].is_null());
    let blocker = &answer["blockers"][0];
    assert_eq!(blocker["cause"], "dual-stack-listener");
    assert_eq!(blocker["socket"]["owners"][1]["pid"], 813);
    assert!(blocker["frees_in_ms"].is_null());
    let process = &document["answers"][0]["processes"][0];
    assert_eq!(process["parent"]["comm"], "systemd");
    assert_eq!(process["cmdline"][3], "/usr/sbin/nginx");
    let explanation = blocker["explanation"].as_str().unwrap();
    assert!(
        explanation.starts_with("nginx[812] and 1 child listen on [::]:8080 (dual-stack). It "),
        "{explanation}"
    );
    let last = &blocker["fixes"][2];
    assert_eq!(last["command"], "systemctl stop -- nginx.service");
    assert!(blocker["fixes"][0]["command"].is_null());
}

#[test]
fn owners_that_may_not_be_read_are_said_to_be_so() {
    let listener = socket(State::Listen, "127.0.0.1:8080", None);
    let fixes = [Fix::StopOwner];
    let answer = blocked(
        query("127.0.0.1", 8080),
        Errno::AddressInUse,
        vec![blocker(Cause::Listener, Some(0), &fixes)],
    );
    let mut scene = Scene::new(vec![(listener, Vec::new())], vec![answer]);
    scene.gaps = vec![Gap::Owners {
        count: 1,
        cause: HiddenCause::Permission,
    }];
    let text = scene.people();
    for part in [
        "is blocked: a socket of root, whose holder cannot be seen, listens on 127.0.0.1:8080\n",
        "its holder cannot be seen from here: a process of another user, a socket in flight, or the kernel's own: run as root",
        "       sudo portstat why 127.0.0.1:8080/tcp\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    scene.gaps[0] = Gap::Owners {
        count: 1,
        cause: HiddenCause::Protected,
    };
    assert!(!scene.people().contains("sudo"));
}

#[test]
fn connects_name_both_ends() {
    let mut answer = blocked(
        Query {
            operation: Operation::Connect {
                destination: end("10.9.9.9:80"),
                binds_first: false,
            },
            addr: None,
            ..query("0.0.0.0", 0)
        },
        Errno::NetworkUnreachable,
        vec![blocker(Cause::NoRoute, None, &[Fix::AddRoute])],
    );
    answer.with_reuse_address = None;
    let mut scene = Scene::new(Vec::new(), vec![answer]);
    scene.machine.route = Some(Route::None(Errno::NetworkUnreachable));
    assert_eq!(
        scene.people(),
        "\
any address -> 10.9.9.9:80/tcp is blocked: no route leads to 10.9.9.9

connect fails with ENETUNREACH.

what to do:
  1. add a route: ip route add 10.9.9.9/32 via GATEWAY
  2. see whether a rule refuses it
       ip rule
"
    );
    let answer = &mut scene.answers[0].0;
    answer.outcome = Outcome::Free;
    answer.errno = None;
    answer.blockers.clear();
    scene.machine.route = Some(Route::From(Some("10.0.0.9".parse().unwrap())));
    let text = scene.people();
    let first = "10.0.0.9 -> 10.9.9.9:80/tcp is free\n";
    assert!(text.starts_with(first), "{text}");
    let query = &scene.program()["answers"][0]["query"];
    assert_eq!(
        (&query["op"], &query["dst"]),
        (&"connect".into(), &"10.9.9.9".into())
    );
    assert_eq!(query["dport"], 80);
}

#[test]
fn verdicts_that_differ_are_both_in_the_first_line() {
    let free = Answer {
        outcome: Outcome::Free,
        errno: None,
        blockers: Vec::new(),
        with_reuse_address: Some(Outcome::Free),
        ..blocked(query("0.0.0.0", 8080), Errno::AddressInUse, Vec::new())
    };
    let mut scene = dual_stack();
    scene.answers[0].0 = free;
    let text = scene.people();
    let first = text.lines().next().unwrap();
    assert_eq!(
        first,
        "[::]:8080/tcp is blocked: nginx[812] and 1 child listen on [::]:8080; \
         0.0.0.0:8080/tcp is free"
    );
    let unknown = &mut scene.answers[0].0;
    unknown.outcome = Outcome::Unknown;
    unknown.assumptions = vec![Assumption::SocketsUnseen];
    scene.answers.truncate(1);
    let text = scene.people();
    assert!(
        text.starts_with("0.0.0.0:8080/tcp may be free or not: not all sockets could be read"),
        "{text}"
    );
}

#[test]
fn a_probe_is_told_beside_what_was_foretold() {
    let mut scene = dual_stack();
    let said = Err(Errno::AddressInUse);
    scene.answers.truncate(1);
    scene.answers[0].1 = Some(Probe::Asked {
        call: Call::Bind,
        said,
        with_reuse_address: Some(said),
        foretold: Outcome::Blocked,
        agrees: true,
    });
    let text = scene.people();
    let line = "probe of 0.0.0.0:8080/tcp: the kernel agrees: bind fails with EADDRINUSE, and \
                with SO_REUSEADDR it fails with EADDRINUSE\n";
    assert!(text.contains(line), "{text}");
    let probe = &scene.program()["answers"][0]["probe"];
    assert_eq!(probe["verdict"], "blocked");
    assert_eq!(
        (&probe["errno"], &probe["agrees"]),
        (&"EADDRINUSE".into(), &true.into())
    );
}

#[test]
fn heirs_are_ended_and_proxies_are_not() {
    let listener = socket(State::Listen, "0.0.0.0:8080", None);
    let heir = (77, "sleep", "web.service", 1, "sleep 600");
    let fixes = [Fix::StopOwner, Fix::CloseOnExec];
    let answer = |cause| {
        let blocker = blocker(cause, Some(0), &fixes);
        blocked(query("0.0.0.0", 8080), Errno::AddressInUse, vec![blocker])
    };
    let mut scene = Scene::new(
        vec![(listener, vec![heir])],
        vec![answer(Cause::InheritedByChild)],
    );
    let text = scene.people();
    for part in [
        "sleep[77] holds 0.0.0.0:8080, most likely inherited from a server that has ended\n",
        "sleep[77] is a child of systemd[1] now.",
        "       kill 77\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // What was forked has its descriptors whatever their flags.
    assert!(!text.contains("O_CLOEXEC"), "{text}");
    assert!(!text.contains("systemctl"), "{text}");
    scene.serves = Some(false);
    assert!(
        scene
            .people()
            .contains("sleep[77] holds 0.0.0.0:8080 without serving it\n")
    );

    let proxy = (88, "docker-proxy", "docker.service", 9, "docker-proxy");
    let mut scene = Scene::new(vec![(listener, vec![proxy])], vec![answer(Cause::Listener)]);
    let container = Some(end("172.17.0.2:80"));
    let by = Publisher::DockerProxy;
    scene.published = vec![(88, Published { by, container })];
    let text = scene.people();
    for part in [
        "       docker ps --filter publish=8080\n",
        "docker publishes this port for the container at 172.17.0.2:80;",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("kill"), "{text}");
}

#[test]
fn names_of_the_system_forge_nothing() {
    let listener = socket(State::Listen, "0.0.0.0:8080", None);
    let name = "x\n\x1b[2J; rm -rf";
    let unit = "$(reboot)\u{202e}'.service";
    let evil = (55, name, unit, 1, "a\x1b[2J $(reboot) 'b");
    let answer = blocked(
        query("0.0.0.0", 8080),
        Errno::AddressInUse,
        vec![blocker(Cause::Listener, Some(0), &[Fix::StopOwner])],
    );
    let mut scene = Scene::new(vec![(listener, vec![evil])], vec![answer]);
    scene.user = Some("a\x1b[2Jb");
    let text = scene.people();
    let is_forged = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(is_forged), "{text}");
    assert!(!text.contains("systemctl"), "{text}");
    assert!(text.contains("       kill 55\n"), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("; rm")), "{text}");
    assert!(!scene.told(json).contains('\x1b'));
}

#[test]
fn every_cause_fix_assumption_and_note_has_words() {
    let fixes = [
        Fix::StopOwner,
        Fix::AnotherAddress,
        Fix::V6Only,
        Fix::ReuseAddress,
        Fix::ReuseAddressPerhaps,
        Fix::Wait,
        Fix::Destroy,
        Fix::ReservePort,
        Fix::CloseConnection,
        Fix::SpecificAddress,
        Fix::CloseOnExec,
        Fix::CloseInFlight,
        Fix::SameUser,
        Fix::AddAddress,
        Fix::NonlocalBind,
        Fix::WaitForDad,
        Fix::EnableIpv6,
        Fix::AllowLowPort,
        Fix::AnotherSourcePort,
        Fix::SeeEphemeral,
        Fix::BindNoPort,
        Fix::NameDevice,
        Fix::AddRoute,
    ];
    let row = socket(State::Established, "[::1]:8080", Some("[::1]:8080"));
    for (cause, socket) in Cause::ALL
        .into_iter()
        .flat_map(|cause| [(cause, Some(0)), (cause, None)])
    {
        let blocker = blocker(cause, socket, &fixes);
        let answer = blocked(query("::1", 8080), Errno::AddressInUse, vec![blocker]);
        let mut scene = Scene::new(vec![(row, vec![MASTER])], vec![answer]);
        scene.machine.ipv6 = Ipv6::Absent;
        let document = scene.program();
        let blocker = &document["answers"][0]["blockers"][0];
        let explanation = blocker["explanation"].as_str().unwrap();
        assert!(explanation.ends_with('.'), "{cause:?}: {explanation}");
        assert!(!explanation.contains(".."), "{cause:?}: {explanation}");
        let told = blocker["fixes"].as_array().unwrap();
        let least = fixes.len() - if socket.is_some() { 0 } else { 2 };
        assert!(told.len() >= least, "{cause:?}: {told:?}");
        assert!(scene.people().contains("is blocked: "), "{cause:?}");
    }
}

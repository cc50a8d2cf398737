//! Who has a socket: stopped, started by another, unseen, or nobody any more.

use super::*;

const SERVER: (u32, &str, &str, u32, &str) = (55, "python3", "", 44, "python3 -m http.server");

fn listener(
    local: &str,
    holders: Vec<(u32, &'static str, &'static str, u32, &'static str)>,
) -> Scene<'static> {
    let local = socket(State::Listen, local, None);
    let blocker = blocker(Cause::Listener, Some(0), &[Fix::StopOwner]);
    let answer = blocked(
        query("0.0.0.0", local.inet().unwrap().local.port),
        Errno::AddressInUse,
        vec![blocker],
    );
    Scene::new(vec![(local, holders)], vec![answer])
}

#[track_caller]
fn check(scene: &Scene<'_>, parts: &[&str]) {
    let text = scene.people();
    for part in parts {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn who_is_stopped_goes_on_before_it_ends() {
    let mut scene = listener("0.0.0.0:8080", vec![SERVER]);
    scene.condition = Condition::Stopped;
    check(
        &scene,
        &[
            "python3[55] fd 6, child of bash[44], is stopped (Ctrl-Z): python3 -m http.server\n",
            "  1. resume python3[55] (fg in its shell): until then it takes no SIGTERM\n       kill -CONT 55\n",
            "  2. end python3[55]; if its parent bash[44] starts it again, end that first\n       kill 55\n",
        ],
    );
    scene.condition = Condition::Uninterruptible;
    check(
        &scene,
        &[
            ", waits in the kernel: python3",
            "end python3[55]; python3[55] cannot end before the kernel has done what it waits for",
        ],
    );
}

#[test]
fn only_who_may_have_started_it_starts_it_again() {
    let of_init = (55, "python3", "", 1, "python3");
    let scene = listener("0.0.0.0:8080", vec![of_init]);
    check(&scene, &["  1. end python3[55]\n"]);
}

#[test]
fn nobody_unseen_is_said_to_be_a_process() {
    let mut scene = listener("0.0.0.0:4789", Vec::new());
    scene.sockets[0].0.protocol = Protocol::Udp;
    scene.answers[0].0.blockers[0].cause = Cause::UdpSocket;
    scene.gaps = vec![Gap::Owners {
        count: 1,
        cause: HiddenCause::Permission,
    }];
    check(
        &scene,
        &[
            "is blocked: a socket of root, whose holder cannot be seen, has 0.0.0.0:4789\n",
            "a socket in flight, or the kernel's own (4789 is vxlan's): run as root",
            "  1. see who has it: run as root",
        ],
    );
    assert!(!scene.people().contains("stop the process"));
}

#[test]
fn what_is_left_of_a_connection_is_held_by_nobody() {
    let mut left = socket(State::FinWait2, "127.0.0.1:8080", Some("127.0.0.1:9000"));
    left.inode = 0;
    let time_wait = socket(State::TimeWait, "127.0.0.1:8080", Some("127.0.0.1:9001"));
    let with = |index, seconds| Blocker {
        frees_in: Some(Duration::from_secs(seconds)),
        ..blocker(Cause::OutgoingConnection, Some(index), &[Fix::Wait])
    };
    let answer = blocked(
        query("0.0.0.0", 8080),
        Errno::AddressInUse,
        vec![with(0, 58), with(1, 41)],
    );
    let scene = Scene::new(vec![(left, vec![]), (time_wait, vec![])], vec![answer]);
    check(
        &scene,
        &[
            "is blocked: what is left of a connection from 127.0.0.1:8080 to 127.0.0.1:9000 is in \
             FIN-WAIT-2; no process holds it, and 1 more\n",
            "  FIN-WAIT-2 127.0.0.1:8080 to 127.0.0.1:9000, free in about 58 s unless it becomes TIME-WAIT\n",
            "  TIME-WAIT 127.0.0.1:8080 to 127.0.0.1:9001, free in about 41 s\n",
            "wait about 58 s: it goes by itself; if it becomes TIME-WAIT before, 60 s more\n",
        ],
    );
}

#[test]
fn an_address_of_another_interface_is_told_where_it_is() {
    let answer = blocked(
        query("fe80::5", 8080),
        Errno::AddressNotAvailable,
        vec![blocker(Cause::AddressNotLocal, None, &[])],
    );
    let mut scene = Scene::new(Vec::new(), vec![answer]);
    check(
        &scene,
        &[
            "fe80::5 is no address of this machine\n",
            "No interface of this",
        ],
    );
    (scene.device, scene.at) = (Some("d1"), vec!["d0"]);
    check(
        &scene,
        &[
            "is blocked on d1: fe80::5 is no address of d1\n",
            " d0 has it.\n",
        ],
    );
}

#[test]
fn who_is_not_root_runs_as_root_what_takes_it() {
    let mut scene = listener("0.0.0.0:80", vec![SERVER]);
    scene.reader = 1000;
    scene.answers[0].0.blockers = vec![
        blocker(Cause::PrivilegedPort, None, &[Fix::AllowLowPort]),
        blocker(Cause::AddressNotLocal, None, &[Fix::AddAddress]),
        blocker(Cause::OutgoingConnection, Some(0), &[Fix::ReservePort]),
        blocker(Cause::Listener, Some(0), &[Fix::StopOwner]),
    ];
    check(
        &scene,
        &[
            "       sudo sysctl -w net.ipv4.ip_unprivileged_port_start=80\n",
            "       sudo ip addr add 0.0.0.0/32 dev lo\n",
            "       sudo sysctl -w net.ipv4.ip_local_reserved_ports=80,5000\n",
            // That of a process that may be the reader's own.
            "       kill 55\n",
        ],
    );
    let rest = socket(State::TimeWait, "127.0.0.1:8080", Some("127.0.0.1:5"));
    let blocker = blocker(Cause::TimeWait, Some(0), &[Fix::Destroy]);
    let answer = blocked(query("0.0.0.0", 8080), Errno::AddressInUse, vec![blocker]);
    let mut scene = Scene::new(vec![(rest, Vec::new())], vec![answer]);
    scene.reader = 1000;
    check(&scene, &["       sudo portstat -tK state time-wait 'src "]);
    let mut scene = listener("0.0.0.0:8080", vec![(55, "x", "web.service", 1, "x")]);
    scene.reader = 1000;
    check(&scene, &["       sudo systemctl stop -- web.service\n"]);
    scene.user_units = vec![(55, 1000)];
    check(&scene, &["       systemctl --user stop -- web.service\n"]);
}

#[test]
fn workers_that_were_left_behind_are_told_in_one_sentence() {
    let worker = |pid| (pid, "nginx", "", 1, "nginx: worker process");
    let mut scene = listener("0.0.0.0:8080", vec![worker(71), worker(72), worker(73)]);
    scene.answers[0].0.blockers[0] = blocker(
        Cause::InheritedByChild,
        Some(0),
        &[Fix::StopOwner, Fix::CloseOnExec],
    );
    check(
        &scene,
        &[
            " nginx[71], nginx[72] and nginx[73] are children of systemd[1] now.",
            "  1. end nginx[71], nginx[72] and nginx[73]\n       kill 71 72 73\n",
        ],
    );
    assert!(!scene.people().contains("CLOEXEC"), "{}", scene.people());
}

#[test]
fn who_would_start_several_again_is_named() {
    let of = |pid| (pid, "worker", "", 44, "worker");
    let scene = listener("0.0.0.0:8080", vec![of(55), of(56)]);
    check(
        &scene,
        &[
            "end worker[55] and worker[56]; if their parent bash[44] starts them again, end that first\n       kill 55 56\n",
        ],
    );
}

//! Whole texts, line by line.

use super::*;

#[test]
fn a_dual_stack_listener_is_told_once_for_both_wildcards() {
    assert_eq!(
        dual_stack().people(),
        "\
0.0.0.0:8080/tcp is blocked: nginx[812] and 1 child listen on [::]:8080 (dual-stack); so is [::]:8080/tcp

bind fails with EADDRINUSE, with SO_REUSEADDR too. It takes IPv4 on every address as well, because IPV6_V6ONLY is not set on it.

  LISTEN [::]:8080, user root
    nginx[812] fd 6, nginx.service, child of systemd[1]: nginx: master process /usr/sbin/nginx
    nginx[813] fd 6, nginx.service, child of bash[812]: nginx: worker process

what to do:
  1. listen on another port
  2. set IPV6_V6ONLY on the socket that has [::], so that it leaves IPv4 alone (nginx: listen [::]:PORT ipv6only=on)
  3. stop nginx.service
       systemctl stop -- nginx.service

8080/tcp is http-alt (Alternative web); a registered port, outside the ephemeral range 32768-60999; listening: nginx[812] and 1 child on ::
"
    );
}

#[test]
fn lines_fit_the_terminal_but_for_commands() {
    let scene = dual_stack();
    for columns in [60, 80, 100] {
        let text = scene.told(|out, report| human(out, report, Paint::Plain, Some(columns)));
        for line in text.lines().filter(|line| !line.contains("systemctl")) {
            assert!(line.len() <= columns.into(), "{columns}: {line}");
        }
    }
    let colored = scene.told(|out, report| human(out, report, Paint::Colored, None));
    assert!(colored.starts_with("\x1b["), "{colored}");
    assert!(!scene.people().contains('\x1b'));
}

#[test]
fn what_remains_of_a_server_says_when_it_goes() {
    let rows = [33_788, 33_790].map(|port: u16| {
        let peer = format!("127.0.0.1:{port}");
        let one = socket(State::TimeWait, "127.0.0.1:9001", Some(&peer));
        (one, Vec::new())
    });
    let waits = |index: usize| Blocker {
        frees_in: Some(Duration::from_millis(40_200 + 500 * index as u64)),
        ..blocker(
            Cause::TimeWait,
            Some(index),
            &[Fix::ReuseAddressPerhaps, Fix::Wait, Fix::Destroy],
        )
    };
    let mut answer = blocked(
        query("127.0.0.1", 9001),
        Errno::AddressInUse,
        vec![waits(0), waits(1)],
    );
    answer.with_reuse_address = None;
    answer.assumptions = vec![Assumption::NoReuseAddress { socket: 0 }];
    let scene = Scene::new(rows.to_vec(), vec![answer]);
    assert_eq!(
        scene.people(),
        "\
127.0.0.1:9001/tcp is blocked: 2 connections are in TIME-WAIT, the last for about 41 s more

bind fails with EADDRINUSE. The kernel keeps a closed connection for 60 s, so that late packets cannot reach the next one. No process holds it.

  TIME-WAIT 127.0.0.1:9001 to 127.0.0.1:33788, free in about 41 s
  TIME-WAIT 127.0.0.1:9001 to 127.0.0.1:33790, free in about 41 s

what to do:
  1. set SO_REUSEADDR on the new socket before it binds: this helps if the old one had it too, which could not be read
  2. wait about 41 s: it goes by itself
  3. destroy all 2
       portstat -tK state time-wait '( src 127.0.0.1:9001 dst 127.0.0.1:33788 ) or ( src 127.0.0.1:9001 dst 127.0.0.1:33790 )'

assumed: SO_REUSEADDR of the socket on 127.0.0.1:9001 in TIME-WAIT could not be read and is taken to be off

9001/tcp has no name; a registered port, outside the ephemeral range 32768-60999; nobody listens on it
"
    );
    let answer = &scene.program()["answers"][0];
    assert_eq!(answer["certainty"], "assumed");
    assert!(answer["with_reuseaddr"].is_null());
    assert_eq!(answer["blockers"][1]["frees_in_ms"], 40_700);
    let command = &answer["blockers"][1]["fixes"][2]["command"];
    let one = "portstat -tK state time-wait 'src 127.0.0.1:9001 dst 127.0.0.1:33790'";
    assert_eq!(command, one);
}

#[test]
fn a_drawn_port_is_reserved_beside_what_is_reserved_already() {
    let row = socket(State::Established, "10.0.0.9:45000", Some("10.0.0.5:443"));
    let curl = (99, "curl", "session-3.scope", 98, "curl https://x");
    let blocker = blocker(
        Cause::OutgoingConnection,
        Some(0),
        &[Fix::ReservePort, Fix::CloseConnection],
    );
    let answer = blocked(query("0.0.0.0", 45_000), Errno::AddressInUse, vec![blocker]);
    let mut scene = Scene::new(vec![(row, vec![curl])], vec![answer]);
    scene.answers[0].0.notes = vec![Note::DrawnByKernel];
    assert_eq!(
        scene.people(),
        "\
0.0.0.0:45000/tcp is blocked: curl[99] is connected from 10.0.0.9:45000 to 10.0.0.5:443

bind fails with EADDRINUSE, with SO_REUSEADDR too. Port 45000 lies in the ephemeral range, so the kernel may have drawn it for the connection's own end.

  ESTAB 10.0.0.9:45000 to 10.0.0.5:443, user root
    curl[99] fd 6, in session-3.scope, child of bash[98]: curl https://x

what to do:
  1. for the next time, keep the kernel from drawing port 45000
       sysctl -w net.ipv4.ip_local_reserved_ports=5000,45000
  2. close the connection, or end curl[99]
       portstat -tK state established 'src 10.0.0.9:45000 dst 10.0.0.5:443'

note: the port lies in the ephemeral range: while no server is bound to it, any connection may draw it

45000/tcp has no name; a registered port, in the ephemeral range 32768-60999; nobody listens on it
"
    );
}

#[test]
fn two_things_in_the_way_have_each_their_remedy() {
    let listener = socket(State::Listen, "0.0.0.0:80", None);
    let ours = (55, "python3", "", 44, "python3 -m http.server 80");
    let answer = blocked(
        Query {
            user: User {
                uid: 1000,
                is_anonymous: false,
                may_bind_low: Some(false),
            },
            ..query("0.0.0.0", 80)
        },
        Errno::AccessDenied,
        vec![
            blocker(Cause::PrivilegedPort, None, &[Fix::AllowLowPort]),
            blocker(Cause::Listener, Some(0), &[Fix::StopOwner]),
        ],
    );
    let mut scene = Scene::new(vec![(listener, vec![ours])], vec![answer]);
    scene.user = Some("alice");
    let text = scene.people();
    for part in [
        "0.0.0.0:80/tcp is blocked: ports below 1024 need CAP_NET_BIND_SERVICE, which alice \
         (uid 1000) lacks (and more is in the way)\n",
        "bind fails with EACCES",
        "sysctl -w net.ipv4.ip_unprivileged_port_start=80\n",
        "Also in the way: python3[55] listens on 0.0.0.0:80.",
        "  1. end python3[55]; if its parent bash[44] starts it again, end that first\n       kill 55\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

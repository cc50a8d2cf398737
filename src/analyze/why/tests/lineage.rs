//! Who is an heir.

use std::collections::HashSet;

use super::super::lineage::{Inherited, Roots, inherited};
use super::*;
use crate::model::Parent;

/// Session and parent of whoever adopts orphans.
const INIT: u32 = 1;

/// A holder whose parent still lives, in the same session.
fn process(pid: u32, parent: u32, group: u32, session: u32) -> (u32, Lineage) {
    let parent = Parent {
        pid: parent,
        comm: b"nginx".to_vec(),
        session: Some(if parent == INIT { INIT } else { session }),
        ..Parent::default()
    };
    let lineage = Lineage {
        parent: Some(parent),
        group,
        session,
        group_leader_lives: true,
        session_leader_lives: true,
        serves: Some(true),
        close_on_exec: Some(false),
        runs_as_parent: Some(false),
        ..Lineage::default()
    };
    (pid, lineage)
}

fn leaderless((_, lineage): &mut (u32, Lineage)) {
    lineage.group_leader_lives = false;
    lineage.session_leader_lives = lineage.session != lineage.group;
}

fn idle((_, lineage): &mut (u32, Lineage)) {
    lineage.serves = Some(false);
}

fn blind((_, lineage): &mut (u32, Lineage)) {
    lineage.serves = None;
}

#[track_caller]
fn check(holders: &[(u32, Lineage)], expected: &[u32]) {
    let nobody = HashSet::new();
    let heirs = Roots::of(holders, &nobody).heirs();
    let heirs: Vec<u32> = heirs.into_iter().map(|(pid, _)| pid).collect();
    assert_eq!(heirs, expected);
}

#[track_caller]
fn check_all(holders: &[(u32, Lineage)], serving: &[u32], expected: Option<Inherited>) {
    let serving = serving.iter().copied().collect();
    assert_eq!(inherited(holders, &serving), expected);
}

#[test]
fn a_master_with_its_workers_is_no_heir() {
    let master = process(800, INIT, 800, 800);
    let workers = [process(801, 800, 800, 800), process(802, 800, 800, 800)];
    let [one, other] = workers;
    check(&[master, one, other], &[]);
}

#[test]
fn workers_of_a_killed_master_are_heirs() {
    let worker = |pid| process(pid, INIT, 800, 800).with(leaderless);
    let workers = [worker(801), worker(802)];
    check(&workers, &[801, 802]);
    check_all(&workers, &[], Some(Inherited::Surely));
    // One alone looks like a daemon.
    check(&[worker(801)], &[]);
}

#[test]
fn a_daemon_that_forked_twice_is_no_heir() {
    let daemon = || process(901, INIT, 900, 900).with(leaderless);
    check(&[daemon()], &[]);
    check(&[daemon().with(blind)], &[]);
    check(
        &[daemon(), process(902, 901, 900, 900).with(leaderless)],
        &[],
    );
    check(&[daemon().with(idle)], &[901]);
}

#[test]
fn a_worker_whose_master_ran_in_a_shell_is_an_heir() {
    // Group 700 was the master's job, session 600 is the shell's.
    check(&[process(701, INIT, 700, 600).with(leaderless)], &[701]);
    // Or the master was started by a program that still lives, as in a test.
    check(&[process(701, INIT, 600, 600)], &[701]);
}

#[test]
fn what_a_script_left_behind_is_an_heir_only_if_it_does_not_serve() {
    // Group 700 was the script's, session 600 is the shell's.
    let left = || {
        process(701, INIT, 700, 600).with(leaderless).with(|one| {
            one.1.has_executed = true;
        })
    };
    check(&[left()], &[]);
    check(&[left().with(blind)], &[]);
    check(&[left().with(idle)], &[701]);
}

#[test]
fn a_job_of_a_shell_is_no_heir() {
    check(&[process(700, 600, 700, 600)], &[]);
    // Nor when the shell has ended: it leads its own group.
    let job = process(700, INIT, 700, 600).with(|(_, lineage)| {
        lineage.session_leader_lives = false;
    });
    check(&[job], &[]);
}

#[test]
fn who_does_not_serve_is_an_heir_even_of_a_server_that_lives() {
    let sleep = || process(701, 700, 600, 600);
    check(&[sleep().with(idle)], &[701]);
    check_all(&[sleep().with(idle)], &[], Some(Inherited::Likely));
    check(&[sleep().with(blind)], &[]);
    // As long as its parent holds the socket too, it is its parent's.
    let server = process(700, 600, 600, 600);
    let holders = [server, sleep().with(idle)];
    check(&holders, &[]);
    check_all(&holders, &[], None);
}

#[test]
fn a_master_serves_by_its_workers() {
    let master = || process(800, 650, 600, 600).with(idle);
    let worker = |pid| process(pid, 800, 600, 600);
    check(&[master(), worker(801), worker(802).with(idle)], &[]);
    check(&[master(), worker(801).with(blind)], &[]);
    check(&[master(), worker(801).with(idle)], &[800]);
    // By those of its workers too.
    let below = process(802, 801, 600, 600);
    check(&[master(), worker(801).with(idle), below], &[]);
}

#[test]
fn what_exec_closes_was_not_inherited_through_one() {
    let opened = |closes| {
        process(701, 700, 600, 600).with(|(_, lineage)| {
            lineage.serves = Some(false);
            lineage.close_on_exec = closes;
        })
    };
    check(&[opened(Some(true))], &[]);
    check(&[opened(Some(false))], &[701]);
    check(&[opened(None)], &[]);
}

#[test]
fn who_has_connections_or_children_with_them_is_a_server() {
    let server = || process(701, 700, 600, 600).with(idle);
    check_all(&[server()], &[702], Some(Inherited::Likely));
    check_all(&[server()], &[701], None);
    // A daemon too, but not a worker without its master.
    let daemon = process(901, INIT, 900, 900).with(leaderless).with(idle);
    check_all(std::slice::from_ref(&daemon), &[], Some(Inherited::Surely));
    check_all(&[daemon], &[901], None);
    let worker = process(701, INIT, 700, 600).with(leaderless).with(idle);
    check_all(&[worker], &[701], Some(Inherited::Surely));
}

#[test]
fn whose_parent_lives_is_an_heir_only_of_another_program_that_may_be_a_server() {
    let sleep = || process(701, 700, 600, 600).with(idle);
    let runs = |same| sleep().with(|(_, lineage)| lineage.runs_as_parent = same);
    check(&[runs(Some(true))], &[]);
    check(&[runs(None)], &[]);
    let child_of = |comm: &[u8]| {
        sleep().with(|(_, lineage)| {
            let parent = lineage.parent.as_mut().unwrap();
            parent.comm = comm.to_vec();
        })
    };
    check(&[child_of(b"bash")], &[]);
    check(&[child_of(b"python3")], &[701]);
    // Pid 1 of a container, whatever it is.
    let contained = process(701, 1, 600, 1).with(idle);
    check(std::slice::from_ref(&contained), &[]);
    // Who led its group was its parent, and has ended in a session that is pid 1's own.
    let orphan = contained.with(leaderless);
    check(std::slice::from_ref(&orphan), &[701]);
    check_all(&[orphan], &[], Some(Inherited::Likely));
    check(&[process(701, 1, 600, 1).with(leaderless)], &[]);
    // A job of a shell, or a service.
    check(&[process(701, 700, 701, 600).with(idle)], &[]);
    check(&[process(701, 700, 701, 701).with(idle)], &[]);
}

#[test]
fn parents_that_go_in_a_circle_are_survived() {
    let holders = [process(1, 2, 1, 1), process(2, 1, 1, 1)];
    check(&holders, &[]);
}

#[test]
fn a_server_beside_heirs_is_the_server() {
    let holders = [process(701, INIT, 600, 600), process(900, INIT, 900, 900)];
    check(&holders, &[701]);
    check_all(&holders, &[], None);
}

#[test]
fn parents_that_cannot_be_read_tell_nothing() {
    let orphan = |pid: Option<u32>, session| {
        process(701, INIT, 600, 600).with(|(_, lineage)| {
            lineage.parent = pid.map(|pid| Parent {
                pid,
                session,
                ..Parent::default()
            });
        })
    };
    check(&[orphan(None, None)], &[]);
    check(&[orphan(Some(650), None)], &[]);
    // Whoever is pid 1 adopts.
    check(&[orphan(Some(INIT), None)], &[701]);
    // A session whose leader is outside of the pid namespace is no orphan's.
    let contained = orphan(Some(INIT), None).with(|(_, lineage)| {
        (lineage.group, lineage.session) = (0, 0);
    });
    check(&[contained], &[]);
    check_all(&[], &[], None);
}

/// A listener of root with these holders.
fn held(holders: &[(u32, Lineage)]) -> Existing {
    Existing {
        holding: Holding::By(holders.to_vec()),
        ..listener("127.0.0.1:80")
    }
}

#[test]
fn who_only_inherited_runs_another_program_and_serves_nothing() {
    let server = process(800, INIT, 800, 800);
    let script = process(801, 800, 800, 800).with(idle);
    // What it forks runs the same program as it does, and no more than that.
    let subshell = process(802, 801, 800, 800)
        .with(idle)
        .with(|(_, lineage)| lineage.runs_as_parent = Some(true));
    let all = [server, script, subshell];
    assert_eq!(held(&all).idle_heirs(), [801, 802]);
    let [server, script, subshell] = all;
    let worker = script
        .clone()
        .with(|(_, lineage)| lineage.runs_as_parent = Some(true));
    assert!(held(&[server.clone(), worker]).idle_heirs().is_empty());
    let own = script
        .clone()
        .with(|(_, lineage)| lineage.close_on_exec = Some(true));
    assert!(held(&[server.clone(), own]).idle_heirs().is_empty());
    // Who started a server is none, nor is who has it from nobody that was seen.
    let serving = subshell.with(|(_, lineage)| lineage.serves = Some(true));
    assert!(
        held(&[server, script.clone(), serving])
            .idle_heirs()
            .is_empty()
    );
    assert!(held(&[script]).idle_heirs().is_empty());
}

#[test]
fn who_may_only_be_starting_is_no_heir_where_nobody_serves() {
    let script = process(801, 800, 800, 800).with(idle);
    let server = process(800, INIT, 800, 800);
    let holders = [server.clone().with(idle), script.clone()];
    assert!(held(&holders).idle_heirs().is_empty());
    assert!(held(&holders).idle().is_empty());
    // What a parent opens for a child alone it closes on exec itself.
    let closing = server.clone().with(idle).with(|(_, lineage)| {
        lineage.close_on_exec = Some(true);
    });
    assert!(held(&[closing, script.clone()]).idle_heirs().is_empty());
    // Nobody knows whether it serves.
    assert_eq!(held(&[server.with(blind), script]).idle_heirs(), [801]);
}

#[test]
fn who_waits_for_nothing_beside_a_server_is_idle() {
    let of = |pid| process(pid, 800, 800, 800);
    let forked = of(802).with(idle).with(|(_, lineage)| {
        (lineage.runs_as_parent, lineage.close_on_exec) = (Some(true), Some(true));
    });
    let below = process(804, 803, 800, 800);
    let master = process(800, INIT, 800, 800).with(idle);
    let holders = [master, of(801), forked, of(803).with(idle), below];
    assert_eq!(held(&holders).idle(), [802]);
}

#[test]
fn a_closed_parent_of_the_sockets_user_or_of_the_same_name_has_it_too() {
    let worker = |change: fn(&mut Parent)| {
        process(801, 800, 800, 800).with(|(_, lineage)| {
            lineage.user = Some(33);
            let parent = lineage.parent.as_mut().unwrap();
            (parent.is_closed, parent.user) = (true, Some(1));
            change(parent);
        })
    };
    let parent_of = |holder| held(&[holder]).hidden_parent(801).map(|parent| parent.pid);
    assert_eq!(parent_of(worker(|_| {})), None);
    assert_eq!(parent_of(worker(|parent| parent.user = Some(0))), Some(800));
    assert_eq!(
        parent_of(worker(|parent| parent.is_namesake = true)),
        Some(800)
    );
    // But not that of whoever opened it.
    let of_itself =
        worker(|parent| parent.is_namesake = true).with(|(_, lineage)| lineage.user = Some(0));
    assert!(!held(std::slice::from_ref(&of_itself)).may_have_more_holders());
    assert_eq!(parent_of(of_itself), None);
    let readable = |parent: &mut Parent| (parent.user, parent.is_closed) = (Some(0), false);
    assert_eq!(parent_of(worker(readable)), None);
    let starter = |parent: &mut Parent| {
        (parent.user, parent.comm) = (Some(0), b"systemd".to_vec());
    };
    assert_eq!(parent_of(worker(starter)), None);
    // Root opened it, and is not among those who have it.
    assert!(held(&[worker(starter)]).may_have_more_holders());
    let of_root = worker(starter).with(|(_, lineage)| lineage.user = Some(0));
    assert!(!held(&[of_root]).may_have_more_holders());
}

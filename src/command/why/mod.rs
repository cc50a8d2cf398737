//! `portstat why`: what is there on the port, what is known of it, what the kernel would say.

mod existing;
mod pools;
mod probe;
mod question;
mod sockets;
mod way;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::IpAddr;

use self::question::Question;
use self::sockets::Seen;
use super::annotate::Annotator;
use super::context::Context;
use super::outcome::{Error, Finish};
use super::wants::Wants;
use crate::analyze::why::{Answer, Existing, Holding, Machine, Operation, Outcome, Query, predict};
use crate::cli::{WhyFormat, WhyPlan};
use crate::collect::{
    BindSettings, Lineages, Neighbours, Request, anonymous_uid, is_ipv6_off, read_bind_settings,
    read_links, read_local_addresses, read_neighbours, read_rules,
};
use crate::join::Services;
use crate::kernel::{Host, is_network_namespace_outside, own_uid};
use crate::model::{Gap, InetRow, LocalV6, Published, Socket, SocketFlags};
use crate::render::why::{self as report, Crowds, Elsewhere, Place, PortContext, Probe, WhyReport};
use crate::render::{Collection, Document};
use crate::wire::{process, published};

/// The `schema` of a report.
const SCHEMA: &str = "portstat.why.v1";

pub(super) fn run(context: &mut Context, plan: &WhyPlan) -> Result<Finish, Error> {
    let services = context.services();
    let settings = read_bind_settings(&context.host);
    let question = Question::new(context, plan, &services, &settings)?;
    let (finish, gaps) = answer(context, plan, &question, &services, &settings)?;
    context.warn_of_gaps(&gaps);
    Ok(finish)
}

/// Answers and tells; returns what was not seen.
fn answer(
    context: &Context,
    plan: &WhyPlan,
    question: &Question,
    services: &Services,
    settings: &BindSettings,
) -> Result<(Finish, Vec<Gap>), Error> {
    let host = &context.host;
    let request = sockets::request(context, question);
    let seen = sockets::read(context, question, &request)?;
    let mut gaps = seen.gaps.clone();
    let machine = machine(context, question, settings, &seen, &mut gaps);
    let neighbours = neighbours(context, question);

    let annotator = annotator(context, &request, &seen, &neighbours);
    let row = |socket| InetRow::new(annotator.row(socket, None));
    let rows: Vec<InetRow<'_>> = seen.sockets.iter().filter_map(row).collect();
    let (existing, unread) = existing::learn(context, &rows, question.port, annotator.limit());
    gaps.extend(unread);
    let mut answers = judge(context, plan, question, &seen, &existing, &machine);
    let judged = answers.iter_mut().map(|(answer, _)| answer);
    let (pools, unseen) = pools::look(context, seen.ports.as_ref(), judged);
    gaps.extend(unseen);
    let finish = finish(&answers);

    gaps.extend(annotator.gaps());
    // Where something is in the way here, nobody has to look elsewhere.
    if finish != Finish::Blocked && neighbours.unread > 0 {
        gaps.push(Gap::Neighbours {
            count: neighbours.unread,
        });
    }
    let report = WhyReport {
        document: document(context, &seen, &gaps),
        netns: host.netns(),
        entrance: context.entrance.clone(),
        answers,
        sockets: &rows,
        existing: &existing,
        pools,
        machine: &machine,
        port: port(question, services, &machine),
        elsewhere: elsewhere(host, &annotator, &seen, &neighbours),
        device: question.device.clone(),
        at: having(host, question, &machine),
        user: question.user.clone(),
        named: question.named.clone(),
        published: published_for(&existing),
        reader: own_uid(),
        root_is_outside: host.is_here() && is_network_namespace_outside(),
        anonymous: anonymous_uid(host),
        crowds: Crowds::default(),
        user_units: user_units(context, &existing),
    };
    match print(plan, &report) {
        // The verdict is told all the same when nobody reads to the end.
        Err(error) if error.is_closed_pipe() => {}
        printed => printed?,
    }
    Ok((finish, gaps))
}

/// What is learnt of all sockets that may be told.
fn annotator<'c>(
    context: &'c Context,
    request: &'c Request,
    seen: &Seen,
    neighbours: &Neighbours,
) -> Annotator<'c> {
    let wants = Wants {
        owners: true,
        process_details: true,
        services: true,
        users: true,
        ..Wants::default()
    };
    let mut annotator = Annotator::new(context, request, wants);
    annotator.prepare(&seen.sockets);
    annotator.prepare(&seen.others);
    for neighbour in &neighbours.found {
        annotator.prepare(&neighbour.sockets);
    }
    annotator
}

fn document(context: &Context, seen: &Seen, gaps: &[Gap]) -> Document {
    Document {
        collection: Collection {
            sources: seen.sources.clone(),
            gaps: gaps.to_vec(),
        },
        ..context.document(SCHEMA)
    }
}

/// Predicts, and asks the kernel where that is wanted.
fn judge(
    context: &Context,
    plan: &WhyPlan,
    question: &Question,
    seen: &Seen,
    existing: &[Existing],
    machine: &Machine,
) -> Vec<(Answer, Option<Probe>)> {
    let ports = seen.ports.as_ref();
    let queries = question.queries.iter();
    let answers = queries.map(|query| {
        let mut answer = predict(query, existing, machine, ports, seen.complete);
        let asks = plan.probe;
        let probe = asks.then(|| probe::probe(context, machine, ports, &mut answer));
        (answer, probe)
    });
    answers.collect()
}

/// What the machine allows.
fn machine(
    context: &Context,
    question: &Question,
    settings: &BindSettings,
    seen: &Seen,
    gaps: &mut Vec<Gap>,
) -> Machine {
    // Wildcards are there whatever the addresses are.
    let is_wildcard = |query: &Query| query.addr.is_some_and(|addr| addr.is_unspecified());
    let needs_addresses = question.way().is_some() || !question.queries.iter().all(is_wildcard);
    let mut missing = Vec::new();
    let addresses = read_local_addresses(&context.host, &mut missing);
    gaps.extend(missing.into_iter().filter(|_| needs_addresses));
    let route = way::route(&context.host, question, &addresses, settings);
    let rules = question
        .way()
        .and_then(|way| read_rules(&context.host, way.destination));
    let off_there = |interface| is_ipv6_off(&context.host, interface);
    Machine {
        addresses,
        links: read_links(&context.host),
        shares_vrfs: settings.shares_vrfs,
        unprivileged_port_start: settings.unprivileged_port_start,
        nonlocal_v4: settings.nonlocal_v4,
        nonlocal_v6: settings.nonlocal_v6,
        autobind_reuse: settings.autobind_reuse,
        guesses_v6only: question.guesses_v6only,
        ipv6: settings.ipv6,
        is_ipv6_off_there: question.interface().is_some_and(off_there),
        hides_bound: seen.hides_bound,
        ports: context.ephemeral_settings().ok(),
        route,
        rules: rules.unwrap_or_default(),
    }
}

/// Who has the port in other network namespaces.
fn neighbours(context: &Context, question: &Question) -> Neighbours {
    let is_bind = question.way().is_none();
    if !is_bind || question.port == 0 {
        return Neighbours::default();
    }
    let mut neighbours = read_neighbours(&context.host, question.port);
    for neighbour in &mut neighbours.found {
        for socket in &mut neighbour.sockets {
            // It is a number of that namespace, where our names do not count.
            socket.interface = 0;
        }
    }
    neighbours
}

fn elsewhere<'a>(
    host: &Host,
    annotator: &'a Annotator<'_>,
    seen: &'a Seen,
    neighbours: &'a Neighbours,
) -> Vec<Elsewhere<'a>> {
    let mut processes = Lineages::new(host);
    let mut at = |socket: &'a Socket, place: Place<'a>| {
        let row = InetRow::new(annotator.row(socket, None))?;
        let holding = existing::holding_of(&mut processes, &row);
        let existing = Existing::new(*socket, SocketFlags::default(), holding)?;
        Some(Elsewhere {
            row,
            existing,
            place,
        })
    };
    let others = seen.others.iter();
    let mut found: Vec<Elsewhere<'a>> = others
        .filter_map(|socket| at(socket, Place::OtherProtocol))
        .collect();
    for neighbour in &neighbours.found {
        let place = Place::Namespace {
            name: neighbour.space.name.as_deref(),
            pid: neighbour.space.process().unwrap_or_default(),
        };
        let there = neighbour.sockets.iter();
        found.extend(there.filter_map(|socket| at(socket, place)));
    }
    found
}

/// What the port is that was named: the local one, or that of the destination.
fn port<'a>(
    question: &Question,
    services: &'a Services,
    machine: &Machine,
) -> Option<PortContext<'a>> {
    let (port, is_own) = match question.queries.first()?.operation {
        Operation::Bind if question.port == 0 => return None,
        Operation::Bind => (question.port, true),
        Operation::Connect { destination, .. } => (destination.port, false),
    };
    let limits = machine.ports.as_ref();
    Some(PortContext {
        port,
        protocol: question.protocol,
        is_own,
        service: services.name(question.protocol, port),
        description: Services::description(question.protocol, port),
        range: limits.map(|limits| limits.range()),
        reserved: limits.is_some_and(|limits| limits.reserved_ports().contains(port)),
    })
}

/// Names of the interfaces that have the address which another was asked for.
fn having(host: &Host, question: &Question, machine: &Machine) -> Vec<String> {
    let v6 = machine.addresses.v6.as_deref().unwrap_or_default();
    let has = |index: u32| {
        let mut queries = question.queries.iter();
        queries.any(|query| {
            let is_it = |local: &LocalV6| {
                Some(IpAddr::V6(local.addr)) == query.addr && local.interface == index
            };
            query.device.is_some_and(|device| device != index) && v6.iter().any(is_it)
        })
    };
    let names = host.interface_names().into_iter();
    names
        .filter(|(index, _)| has(*index))
        .map(|(_, name)| name)
        .collect()
}

/// Holders that hold their sockets for containers.
fn published_for(existing: &[Existing]) -> Vec<(u32, Published)> {
    let mut found: Vec<(u32, Published)> = Vec::new();
    for one in existing {
        let Holding::By(holders) = &one.holding else {
            continue;
        };
        for (pid, lineage) in holders {
            let words = lineage.command_line.as_deref().unwrap_or_default();
            if let Some(published) = published::published(words)
                && found.iter().all(|(known, _)| known != pid)
            {
                found.push((*pid, published));
            }
        }
    }
    found
}

/// Holders whose unit is one of a user's own service manager, and the user.
fn user_units(context: &Context, existing: &[Existing]) -> Vec<(u32, u32)> {
    let mut pids = BTreeSet::new();
    for one in existing {
        if let Holding::By(holders) = &one.holding {
            pids.extend(holders.iter().map(|(pid, _)| *pid));
        }
    }
    let of_user = |pid: u32| {
        let text = context.host.read(&format!("proc/{pid}/cgroup")).ok()?;
        Some((pid, process::user_manager(&text)?))
    };
    pids.into_iter().filter_map(of_user).collect()
}

fn finish(answers: &[(Answer, Option<Probe>)]) -> Finish {
    let is = |outcome| answers.iter().any(|(answer, _)| answer.outcome == outcome);
    if is(Outcome::Blocked) {
        Finish::Blocked
    } else if is(Outcome::Unknown) {
        Finish::Unknown
    } else {
        Finish::Done
    }
}

fn print(plan: &WhyPlan, report: &WhyReport<'_>) -> Result<(), Error> {
    let mut out = Vec::new();
    match plan.format {
        WhyFormat::Human => {
            report::human(&mut out, report, plan.output.paint, plan.output.width);
        }
        WhyFormat::Json => report::json(&mut out, report),
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(&out)?;
    stdout.flush()?;
    Ok(())
}

//! Containers behind a port, in words.

use super::WhyReport;
use super::case::endpoint;
use crate::analyze::why::Query;
use crate::model::{Protocol, Publisher};

/// What holds the port for a container, a sentence each.
pub(super) fn told(report: &WhyReport<'_>) -> Vec<String> {
    let query = report.answers.first().map(|(answer, _)| &answer.query);
    let told = report.published.iter().map(|(pid, published)| {
        let what = match (published.by, published.container) {
            (Publisher::DockerProxy, Some(container)) => format!(
                ": docker publishes this port for the container at {}",
                endpoint(&container)
            ),
            (Publisher::DockerProxy | Publisher::RootlessKit, _) => {
                ": docker publishes this port for a container".to_owned()
            }
            (Publisher::RootlessPort | Publisher::Pasta, _) => {
                ": podman publishes this port for a container".to_owned()
            }
            (Publisher::Slirp4netns, _) => {
                " publishes this port for a rootless container".to_owned()
            }
        };
        let naming = query.and_then(|query| naming(published.by, query));
        let naming = naming.map(|command| format!("; {command} names it"));
        format!(
            "{}[{pid}]{what}{}",
            published.by.name(),
            naming.unwrap_or_default()
        )
    });
    told.collect()
}

/// The command that names the container; `None` where nobody knows whose it is.
pub(super) fn naming(by: Publisher, query: &Query) -> Option<String> {
    let port = query.port;
    match by {
        Publisher::DockerProxy | Publisher::RootlessKit => {
            // Docker takes a bare number for TCP.
            let protocol = match query.protocol {
                Protocol::Tcp => "",
                _ => "/udp",
            };
            Some(format!("docker ps --filter publish={port}{protocol}"))
        }
        // Podman's list has no such filter.
        Publisher::RootlessPort | Publisher::Pasta => Some("podman port --all".to_owned()),
        Publisher::Slirp4netns => None,
    }
}

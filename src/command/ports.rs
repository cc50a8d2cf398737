//! Counts of ephemeral ports while sockets come, one network namespace after another. Each has
//! ports of its own; of several the one is told of that stands worst.

use super::context::Context;
use crate::analyze::{Ephemeral, EphemeralSettings, Verdict};
use crate::model::{Gap, Socket};

/// The counts of one namespace, and what the ones before came to.
#[derive(Clone)]
pub(super) struct PortCounts<'c> {
    context: &'c Context,
    netns: u16,
    /// `None` where the limits of the namespace cannot be read.
    now: Option<Ephemeral>,
    /// With the number of its namespace.
    worst: Option<(u16, Verdict)>,
}

impl<'c> PortCounts<'c> {
    /// Counts of nothing yet; a gap where the limits cannot be read.
    pub(super) fn of(context: &'c Context) -> Result<PortCounts<'c>, Gap> {
        Ok(PortCounts::new(context, context.ephemeral_settings()?))
    }

    /// Counts that begin with the first namespace, which has these limits.
    pub(super) fn new(context: &'c Context, settings: EphemeralSettings) -> PortCounts<'c> {
        PortCounts {
            context,
            netns: 0,
            now: Some(Ephemeral::new(settings)),
            worst: None,
        }
    }

    /// Counts of what is left to one socket, which is bound to this interface or to none.
    pub(super) fn for_socket(
        context: &'c Context,
        settings: EphemeralSettings,
        interface: Option<u32>,
    ) -> PortCounts<'c> {
        PortCounts {
            context,
            netns: 0,
            now: Some(Ephemeral::for_socket(settings, interface)),
            worst: None,
        }
    }

    /// Counts a socket. Those of a namespace come together.
    pub(super) fn add(&mut self, socket: &Socket) {
        if socket.netns != self.netns {
            self.worst = self.worst();
            self.netns = socket.netns;
            let settings = self.context.ephemeral_settings_in(socket.netns);
            self.now = settings.ok().map(Ephemeral::new);
        }
        if let Some(now) = &mut self.now {
            now.add(socket);
        }
    }

    /// How it stands where it stands worst; of namespaces that are alike the first.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        let (netns, verdict) = self.worst()?;
        Some(Verdict {
            namespace: self.context.namespace_label(netns),
            ..verdict
        })
    }

    fn worst(&self) -> Option<(u16, Verdict)> {
        let how_bad = |verdict: &Verdict| (verdict.severity, verdict.percent);
        let now = self.now.as_ref().map(|now| (self.netns, now.verdict()));
        match (&self.worst, now) {
            (Some((_, worst)), Some(now)) if how_bad(&now.1) > how_bad(worst) => Some(now),
            (Some(worst), _) => Some(worst.clone()),
            (None, now) => now,
        }
    }

    /// The counts of the last namespace, which is the only one where only one is looked at.
    pub(super) fn into_ephemeral(self) -> Option<Ephemeral> {
        self.now
    }
}

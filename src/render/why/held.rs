//! A socket with those who hold it.

use super::WhyReport;
use super::subject::{Subject, subject};
use crate::analyze::why::{Existing, Holding};
use crate::model::{Gap, HiddenCause, InetRow, Lineage, Owner, Parent};

/// A socket, and what was learnt of its holders.
#[derive(Clone, Copy)]
pub(super) struct Held<'r> {
    pub(super) row: &'r InetRow<'r>,
    pub(super) existing: Option<&'r Existing>,
}

impl<'r> Held<'r> {
    /// Its processes, each once.
    pub(super) fn owners(self) -> Vec<Owner<'r>> {
        let mut owners: Vec<Owner<'r>> = self.row.owners.iter().collect();
        owners.dedup_by_key(|owner| owner.holder.pid);
        owners
    }

    /// Those of them whose parent is none of them.
    pub(super) fn roots(self) -> Vec<Owner<'r>> {
        let mut owners = self.owners();
        let holds = |pid: u32| owners.iter().any(|owner| owner.holder.pid == pid);
        let has_holding_parent = |pid: &u32| self.parent(*pid).is_some_and(|one| holds(one.pid));
        let pids = owners.iter().map(|owner| owner.holder.pid);
        let inherited: Vec<u32> = pids.filter(has_holding_parent).collect();
        if inherited.len() < owners.len() {
            owners.retain(|owner| !inherited.contains(&owner.holder.pid));
        }
        owners
    }

    /// Those who merely inherited it from another of them.
    pub(super) fn heirs(self) -> Vec<Owner<'r>> {
        let heirs = self.existing.map(Existing::idle_heirs).unwrap_or_default();
        let mut owners = self.owners();
        owners.retain(|owner| heirs.contains(&owner.holder.pid));
        owners
    }

    pub(super) fn lineage(self, pid: u32) -> Option<&'r Lineage> {
        match &self.existing?.holding {
            Holding::By(holders) => { holders.iter() }
                .find(|(holder, _)| *holder == pid)
                .map(|(_, lineage)| lineage),
            Holding::Unknown | Holding::Nobody | Holding::Unheld => None,
        }
    }

    pub(super) fn parent(self, pid: u32) -> Option<&'r Parent> {
        self.lineage(pid)?.parent.as_ref()
    }

    /// The parent of one of them that most likely holds it too, and may not be read.
    pub(super) fn hidden_parent(self, pid: u32) -> Option<&'r Parent> {
        self.existing?.hidden_parent(pid)
    }

    /// Who has it, as the subject of a sentence.
    pub(super) fn subject(self) -> Subject {
        subject(self.row, &self.roots(), self.heirs().len())
    }
}

impl<'r> WhyReport<'r> {
    /// What stands before commands that take root's rights: nothing where root reads them who has
    /// these rights.
    pub(super) const fn sudo(&self) -> &'static str {
        match self.reader {
            0 if !self.root_is_outside => "",
            _ => "sudo ",
        }
    }

    /// Why owners are hidden, where some are.
    pub(super) fn hidden(&self) -> Option<HiddenCause> {
        let mut gaps = self.document.collection.gaps.iter();
        gaps.find_map(|gap| match gap {
            Gap::Owners { cause, .. } | Gap::MoreOwners { cause, .. } => Some(*cause),
            _ => None,
        })
    }

    /// Whether a socket may have more holders than were seen.
    pub(super) fn may_have_more(&self, index: usize) -> bool {
        let gaps = self.document.collection.gaps.iter();
        let existing = self.existing.get(index);
        { gaps }.any(|gap| matches!(gap, Gap::MoreOwners { .. }))
            && existing.is_some_and(Existing::may_have_more_holders)
    }

    /// A socket with its holders.
    pub(super) fn held(&'r self, index: usize) -> Option<Held<'r>> {
        Some(Held {
            row: self.sockets.get(index)?,
            existing: self.existing.get(index),
        })
    }

    /// The processes of a socket, each once.
    pub(super) fn owners(&'r self, index: usize) -> Vec<Owner<'r>> {
        self.held(index).map(Held::owners).unwrap_or_default()
    }

    pub(super) fn lineage(&'r self, index: usize, pid: u32) -> Option<&'r Lineage> {
        self.held(index)?.lineage(pid)
    }

    pub(super) fn parent(&'r self, index: usize, pid: u32) -> Option<&'r Parent> {
        self.held(index)?.parent(pid)
    }

    /// Who has a socket, as the subject of a sentence.
    pub(super) fn subject(&'r self, index: usize) -> Subject {
        let subject = self.held(index).map(Held::subject);
        subject.unwrap_or_else(|| Subject::one("nobody"))
    }
}

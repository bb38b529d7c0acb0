//! What erasures mean for a bundle: the certificates go along, and what went while the bundle was made
//! is not asked for.

use std::io::Write;

use exhibit_evidence::{BundleWriter, ErasureLine};
use exhibit_ledger::Leaf;
use exhibit_store::LogId;
use tokio::runtime::Handle;

use super::{Evidence, closed};
use crate::{Error, account::act::Act, retention::Erased};

/// Acts read at once.
const PAGE: usize = 1_024;

/// The erasures of a workspace, as far as they concern a bundle.
#[derive(Default)]
pub(super) struct Erasures {
    /// Acts under the bundle's checkpoint whose certificates it holds.
    certified: Vec<Certified>,
    /// Leaves whose records went after the checkpoint was pinned, as ranges, the end excluded.
    since: Vec<(u64, u64)>,
}

/// An act of erasure with its leaf.
struct Certified {
    index: u64,
    leaf: Leaf,
    body: Vec<u8>,
    erased: Erased,
}

impl Evidence {
    /// Reads the acts of erasure: all of them for a bundle of everything, or those about its trace.
    pub(super) fn erasures(&self, runtime: &Handle) -> Result<Erasures, Error> {
        let mut found = Erasures::default();
        let of_trace = self.query.trace.as_ref().map(|id| {
            let digest = self.recorder.tombstone(self.workspace.id, id);
            hex::encode(digest)
        });
        let is_gone = of_trace.is_some() && self.traces.is_empty();
        if !is_gone && !self.is_whole() {
            return Ok(found);
        }
        let (store, workspace) = (&self.recorder.store, self.workspace.id);
        let mut from = 0;
        loop {
            let page = runtime.block_on(store.audit_acts(workspace, from, PAGE))?;
            let Some(last) = page.last() else {
                found.since.sort_unstable();
                return Ok(found);
            };
            from = last.index.saturating_add(1);
            for act in page {
                let of_interest = matches!(
                    serde_json::from_slice(&act.body),
                    Ok(Act::Erased { erased })
                        if of_trace.as_ref().is_none_or(|name| erased.traces.contains(name))
                );
                if !of_interest {
                    continue;
                }
                let log = LogId::Workspace(workspace);
                let leaf = runtime.block_on(store.leaves(log, act.index, act.index + 1))?.pop();
                let broken = || Error::Internal("an act is not the one that was sealed".into());
                let Some(Act::Erased { erased }) = self.recorder.read_act(&act, leaf.as_deref())
                else {
                    return Err(broken());
                };
                if act.index >= self.checkpoint.size {
                    found.since.extend(erased.leaves);
                } else if !erased.leaves.is_empty() {
                    let leaf = leaf.and_then(|bytes| Leaf::parse(&bytes).ok());
                    let leaf = leaf.ok_or_else(broken)?;
                    let (index, body) = (act.index, act.body);
                    found.certified.push(Certified { index, leaf, body, erased });
                }
            }
        }
    }

    /// Whether the bundle shows everything that the log holds.
    pub(super) fn is_whole(&self) -> bool {
        let everything = self.query.trace.is_none() && self.query.filter.is_empty();
        everything && self.next.is_none() && self.query.cursor.is_none()
    }
}

impl Erasures {
    /// Whether the record of a leaf went while the bundle was made.
    pub(super) fn went_since(&self, index: u64) -> bool {
        // A leaf is of one trace, and a trace is erased once: the ranges do not overlap.
        let place = self.since.partition_point(|(from, _)| *from <= index);
        let range = place.checked_sub(1).and_then(|place| self.since.get(place));
        range.is_some_and(|(_, to)| index < *to)
    }

    /// Writes the certificates, and notes the leaves that must be shown for them.
    pub(super) fn write(
        &self,
        evidence: &Evidence,
        bundle: &mut BundleWriter<impl Write>,
        places: &mut Vec<u64>,
    ) -> Result<(), Error> {
        for one in &self.certified {
            let salt = evidence.recorder.vault.acts().salt(&one.leaf.id, 0);
            let text = std::str::from_utf8(&one.body)
                .map_err(|_| Error::Internal("an act is not UTF-8".into()))?;
            let line = ErasureLine {
                index: one.index,
                record: one.leaf.id.to_string().into(),
                kind: one.leaf.kind.as_str().into(),
                salt: hex::encode(salt.0).into(),
                text: text.into(),
            };
            bundle.erasure(&line).map_err(closed)?;
            places.push(one.index);
            // Bounded by what the log has, not by what the act says.
            let within = |(from, to): &(u64, u64)| *from..(*to).min(one.index);
            places.extend(one.erased.leaves.iter().flat_map(within));
        }
        Ok(())
    }

    /// What the report tells of them.
    pub(super) fn told(&self) -> Vec<exhibit_evidence::Erasure> {
        let told = self.certified.iter().map(|one| exhibit_evidence::Erasure {
            index: one.index,
            cause: one.erased.cause.clone(),
            why: one.erased.why.clone(),
            by: one.erased.by.clone(),
            at: one.erased.at.to_rfc3339(),
            records: one.erased.leaves.iter().map(|(from, to)| to.saturating_sub(*from)).sum(),
        });
        told.collect()
    }
}

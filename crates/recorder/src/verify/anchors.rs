//! What outsiders have said: are these their words, and do they fit the log that is here?

use std::collections::BTreeMap;

use exhibit_evidence::stamp;
use exhibit_ledger::{Hash, SignedCheckpoint};
use exhibit_store::{Anchor, AnchorKind, LogId};
use serde::Serialize;

use super::{Fault, Verdict};
use crate::{Error, Recorder};

/// Anchors read at once.
const PAGE: usize = 1_000;

/// What outsiders vouch for, as far as the policy and the roots in force say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Vouched {
    /// Size of the largest checkpoint that enough witnesses cosigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witnessed_size: Option<u64>,
    /// The witnesses that did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<String>,
    /// Size of the largest checkpoint with a time stamp that holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamped_size: Option<u64>,
    /// The time it states, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamped_at: Option<String>,
}

/// What a pass over the anchors gives.
pub(super) struct AnchorPass {
    /// Roots that the installation's log must have, by size.
    pub(super) heads: BTreeMap<u64, Hash>,
    pub(super) vouched: Vouched,
    pub(super) faults: Vec<Fault>,
}

impl Recorder {
    /// Reads every anchor.
    pub(super) async fn check_anchors(&self) -> Result<AnchorPass, Error> {
        let mut pass =
            AnchorPass { heads: BTreeMap::new(), vouched: Vouched::default(), faults: Vec::new() };
        for kind in [AnchorKind::Witnessed, AnchorKind::Stamped] {
            let mut from = 0;
            loop {
                let page = self.store.anchors(kind, from, PAGE).await?;
                for anchor in &page {
                    if let Err(fault) = self.check_anchor(anchor, &mut pass) {
                        pass.faults.push(fault);
                    }
                }
                // Stamps of several authorities share a size; there are never a page of them.
                match page.last().filter(|_| page.len() == PAGE) {
                    Some(last) => from = last.size.max(from + 1),
                    None => break,
                }
            }
        }
        Ok(pass)
    }

    fn check_anchor(&self, anchor: &Anchor, pass: &mut AnchorPass) -> Result<(), Fault> {
        let outside = self.trusted();
        let origin = self.log_origin(LogId::Installation);
        let fault = |verdict, what: &str| {
            let mut fault = Fault::new(verdict, what);
            fault.log = Some(origin.clone());
            fault.index = Some(anchor.size);
            fault
        };
        let signed = SignedCheckpoint::parse(anchor.note.as_bytes())
            .map_err(|_| fault(Verdict::Altered, "a kept checkpoint does not read"))?;
        if !self.is_signed(LogId::Installation, &signed) {
            return Err(fault(
                Verdict::WrongKey,
                "a kept checkpoint is not signed by this log's key",
            ));
        }
        let head = signed.checkpoint();
        if head.size != anchor.size {
            return Err(fault(
                Verdict::Altered,
                "a kept checkpoint says another size than its row",
            ));
        }
        if pass.heads.insert(head.size, head.root).is_some_and(|other| other != head.root) {
            return Err(fault(Verdict::Forked, "two signed checkpoints of one size differ"));
        }
        match anchor.kind {
            AnchorKind::Witnessed => {
                let Some(policy) = outside.policy.as_ref().filter(|p| p.wants_witnesses()) else {
                    return Ok(());
                };
                let witnessed = policy.check(&signed).map_err(|_| {
                    fault(
                        Verdict::WrongKey,
                        "a cosignature is not the witness's whose name it bears",
                    )
                })?;
                if witnessed.enough && pass.vouched.witnessed_size.is_none_or(|s| s < head.size) {
                    pass.vouched.witnessed_size = Some(head.size);
                    pass.vouched.witnesses =
                        witnessed.names.iter().map(|name| (*name).to_owned()).collect();
                }
            }
            AnchorKind::Stamped => {
                let text = signed.note().text().as_bytes();
                let read = stamp::read(&anchor.token, text)
                    .map_err(|error| fault(Verdict::Altered, &error.to_string()))?;
                if outside.roots.is_empty() {
                    return Ok(());
                }
                stamp::verify(&anchor.token, text, &outside.roots)
                    .map_err(|error| fault(Verdict::WrongKey, &error.to_string()))?;
                if pass.vouched.stamped_size.is_none_or(|s| s < head.size) {
                    pass.vouched.stamped_size = Some(head.size);
                    pass.vouched.stamped_at = Some(read.time.to_rfc3339());
                }
            }
        }
        Ok(())
    }
}

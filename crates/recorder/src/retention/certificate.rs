//! The certificate of an erased trace: found by its tombstone among the acts of its workspace, and read
//! against its leaf. Whether that leaf stands in the signed log is for [`crate::verify`] to say.

use exhibit_ledger::Leaf;
use exhibit_model::{TraceId, WorkspaceId};
use exhibit_store::{LogId, StoredAct};
use serde::Serialize;

use super::{Erased, PAGE, is_keeping};
use crate::{Error, Recorder, account::act::Act};

/// Proof that records were taken away rightly: what is sealed of it, and the leaf that says so.
#[derive(Debug, Clone, Serialize)]
pub struct Certificate {
    /// What was sealed.
    pub erased: Erased,
    /// Index of the leaf in the log of the workspace.
    pub index: u64,
    /// The leaf, canonical JSON.
    pub leaf: String,
    /// The sealed body, verbatim.
    pub body: String,
    /// Salt of the body, hex: `SHA-256(0x00 ‖ salt ‖ body)` is the leaf's `body_root`.
    pub salt: String,
    /// What still has to expire elsewhere.
    pub elsewhere: &'static str,
}

/// What the acts of a workspace say about the erasure of a trace.
#[derive(Debug)]
pub(crate) enum Told {
    /// It was not erased.
    Nothing,
    /// It was, and this says so.
    Certified(Box<Certificate>),
    /// It was, and the act that should say so, at this index, is not the one that was sealed.
    Altered(u64),
    /// It was, and no act says so.
    Missing,
}

/// What no certificate can take back.
const ELSEWHERE: &str = "Exports that were handed out (each is a leaf of type `export`) and backups \
    made before hold these records until they expire.";

/// The same where the keys of what went were kept apart from it.
const KEYS_DESTROYED: &str = "Exports that were handed out (each is a leaf of type `export`) hold these \
    records until they expire. Backups of the database made before hold them encrypted under keys that \
    are destroyed, unless a copy of keys/payloads.db from before is kept; what lists show of a trace \
    (its names, users and tags) stands in them as it was.";

impl Recorder {
    /// The certificate of an erased trace; none when it was not erased, or when its certificate is not
    /// the one that was sealed.
    pub async fn certificate(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Option<Certificate>, Error> {
        Ok(match self.erasure_told(workspace, trace).await? {
            Told::Certified(certificate) => Some(*certificate),
            Told::Nothing | Told::Altered(_) | Told::Missing => None,
        })
    }

    /// Looks for the newest act that names an erased trace.
    pub(crate) async fn erasure_told(
        &self,
        workspace: WorkspaceId,
        trace: &TraceId,
    ) -> Result<Told, Error> {
        let digest = self.tombstone(workspace, trace);
        if !self.store.tombstones(workspace, &[digest]).await?.contains(&true) {
            return Ok(Told::Nothing);
        }
        let name = hex::encode(digest);
        let mut found = None;
        let mut from = 0;
        loop {
            let page = self.store.audit_acts(workspace, from, PAGE).await?;
            let Some(last) = page.last() else { break };
            from = last.index.saturating_add(1);
            for act in page {
                let names_it = matches!(
                    serde_json::from_slice(&act.body),
                    Ok(Act::Erased { erased }) if erased.traces.contains(&name)
                );
                if names_it {
                    found = Some(act);
                }
            }
        }
        match found {
            Some(act) => self.certify(workspace, act).await,
            None => Ok(Told::Missing),
        }
    }

    /// Reads an act of erasure against its leaf.
    async fn certify(&self, workspace: WorkspaceId, act: StoredAct) -> Result<Told, Error> {
        let log = LogId::Workspace(workspace);
        let index = act.index;
        let altered = Ok(Told::Altered(index));
        let read = self.store.leaves(log, index, index.saturating_add(1)).await?.pop();
        let Some(Act::Erased { erased }) = self.read_act(&act, read.as_deref()) else {
            return altered;
        };
        let bytes = read.unwrap_or_default();
        let Some(leaf) = Leaf::parse(&bytes).ok().filter(is_keeping) else { return altered };
        let salt = self.vault.acts().salt(&leaf.id, 0);
        let all = erased.keys_destroyed >= erased.traces.len() as u64;
        Ok(Told::Certified(Box::new(Certificate {
            erased,
            index,
            leaf: String::from_utf8_lossy(&bytes).into_owned(),
            body: String::from_utf8_lossy(&act.body).into_owned(),
            salt: hex::encode(salt.0),
            elsewhere: if all { KEYS_DESTROYED } else { ELSEWHERE },
        })))
    }
}

//! Successions of the signing key: entered into the installation's log, and what they make of keys and
//! names that came before. The files are written by [`crate::keys`]; how a succession is signed is in
//! [`exhibit_ledger::succession`].

use exhibit_ledger::{
    Hash, Leaf, LeafKind, SignedCheckpoint, Succession, VerifierKey,
    note::KeyKind,
    succession::{Reason, epoch_of},
};
use exhibit_model::RecordId;
use exhibit_store::{LogHead, LogId};
use serde::Serialize;

use crate::{Error, Recorder, accept::finish, keys::Kept};

/// The fact of a leaf that holds the note.
pub(crate) const FACT: &str = "succession";
/// Leaves read at once.
const CHUNK: u64 = 4_096;

/// A succession as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuccessionWord {
    /// `rotation`, `restore` or `compromise`.
    pub reason: &'static str,
    /// The epoch that it starts, or in which it stands.
    pub epoch: u32,
    /// Size of the installation's log when the old key ended.
    pub ended_size: u64,
    /// Size from which the log goes on.
    pub continues_size: u64,
    /// The key before.
    pub old: String,
    /// The key after.
    pub new: String,
    /// Its entry in the installation's log.
    pub index: Option<u64>,
    /// The signed note.
    pub note: String,
}

impl SuccessionWord {
    fn of(kept: &Kept) -> Option<Self> {
        let one = Succession::open(&kept.note).ok()?;
        Some(Self {
            reason: one.reason.as_str(),
            epoch: epoch_of(one.new.name()).1,
            ended_size: one.ended.0,
            continues_size: one.continues.0,
            old: one.old.to_string(),
            new: one.new.to_string(),
            index: kept.index,
            note: kept.note.clone(),
        })
    }

    /// What happened, in a sentence.
    pub fn in_words(&self) -> String {
        let Self { reason, epoch, ended_size: ended, continues_size: kept, .. } = self;
        match *reason {
            "restore" => format!(
                "epoch {epoch}: restored from a backup; of {ended} entries of the installation's log \
                 {kept} were kept"
            ),
            "compromise" => format!(
                "epoch {epoch}: the signing key before was stolen or lost; the epoch key vouches for \
                 the new one from entry {ended} on"
            ),
            _ => format!("the signing key was rotated at entry {ended} of the installation's log"),
        }
    }
}

impl Recorder {
    /// Which signing key followed which, oldest first.
    pub fn successions(&self) -> Vec<SuccessionWord> {
        self.keys.successions().iter().filter_map(SuccessionWord::of).collect()
    }

    /// The notes of all successions, for bundles.
    pub(crate) fn succession_notes(&self) -> Vec<String> {
        self.keys.successions().into_iter().map(|kept| kept.note).collect()
    }

    /// The name of a log of this installation as it is called in the present epoch.
    pub(crate) fn present_name(&self, stated: &str) -> String {
        let origin = self.keys.origin();
        let base = epoch_of(origin).0;
        let (top, below) = match stated.strip_prefix(base) {
            Some(rest) => {
                let at = rest.find('/').unwrap_or(rest.len());
                stated.split_at(base.len() + at)
            }
            None => return stated.to_owned(),
        };
        let ours = epoch_of(top).0 == base && epoch_of(top).1 <= epoch_of(origin).1;
        if ours { format!("{origin}{below}") } else { stated.to_owned() }
    }

    /// Whether a checkpoint of a log is signed by a key that could sign it then: the present one, or one
    /// before it for what the installation's log held when that key ended.
    pub(crate) fn is_signed(&self, log: LogId, signed: &SignedCheckpoint) -> bool {
        let origin = self.log_origin(log);
        let present = self.keys.signer(&origin);
        if present.is_some_and(|key| signed.verify(&origin, key.verifier()).is_ok()) {
            return true;
        }
        let below = origin.strip_prefix(self.keys.origin()).unwrap_or_default().to_owned();
        self.keys.successions().iter().any(|kept| {
            let Ok(one) = Succession::open(&kept.note) else { return false };
            // Every log is signed anew when a succession is entered.
            let in_time = match log {
                LogId::Installation => signed.checkpoint().size <= one.ended.0,
                LogId::Workspace(_) => kept.index.is_none(),
            };
            let name = format!("{}{below}", one.old.name());
            let key = VerifierKey::new(&name, KeyKind::Ed25519, one.old.public_key());
            in_time && key.is_ok_and(|key| signed.verify(&name, &key).is_ok())
        })
    }

    /// Enters successions that no leaf tells of yet, and signs every log with the present key.
    pub(crate) async fn settle_successions(&self) -> Result<(), Error> {
        let kept = self.keys.successions();
        let mut places = Vec::with_capacity(kept.len());
        let mut missing = Vec::new();
        let mut is_new = false;
        for one in &kept {
            let place = self.find_succession(one).await?;
            is_new |= place.is_none() || one.index != place;
            if place.is_none() {
                missing.push(self.succession_leaf(&one.note)?);
            }
            places.push(place);
        }
        if !is_new {
            return Ok(());
        }
        let mut heads = Vec::new();
        for workspace in self.store.workspaces().await? {
            let head = self.store.head(LogId::Workspace(workspace.id)).await?;
            heads.extend(Some(head).filter(|head: &LogHead| head.size > 0));
        }
        let appended = missing.len() + heads.len();
        let head = self.publish_heads(&heads, missing).await?;
        let mut next = head.size.saturating_sub(appended as u64);
        let places: Vec<u64> = places
            .into_iter()
            .map(|place| {
                place.unwrap_or_else(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        self.keys.settle(&places).map_err(|error| Error::Internal(error.to_string()))
    }

    /// Where in the installation's log a succession stands.
    async fn find_succession(&self, kept: &Kept) -> Result<Option<u64>, Error> {
        let log = LogId::Installation;
        let tells = |bytes: &[u8]| {
            let leaf = Leaf::parse(bytes).ok();
            leaf.is_some_and(|leaf| leaf.facts.get(FACT) == Some(&kept.note))
        };
        if let Some(index) = kept.index {
            let leaf = self.store.leaves(log, index, index.saturating_add(1)).await?.pop();
            if leaf.is_some_and(|bytes| tells(&bytes)) {
                return Ok(Some(index));
            }
        }
        // It is entered after the head from which the log goes on, at the next start.
        let continues = Succession::open(&kept.note).map_or(0, |one| one.continues.0);
        let end = self.store.head(log).await?.size;
        let mut at = continues;
        while at < end {
            let to = at.saturating_add(CHUNK).min(end);
            let leaves = self.store.leaves(log, at, to).await?;
            if let Some(offset) = leaves.iter().position(|bytes| tells(bytes)) {
                return Ok(Some(at + offset as u64));
            }
            at = to;
        }
        Ok(None)
    }

    fn succession_leaf(&self, note: &str) -> Result<exhibit_store::Leaf, Error> {
        let malformed = |_| Error::Internal("a kept succession does not read".into());
        let one = Succession::open(note).map_err(malformed)?;
        let received = u64::try_from(self.now().0).unwrap_or(0);
        let id = RecordId::mint(&*self.entropy).0.into();
        let mut leaf = Leaf::new(LeafKind::KeyChange, id, "server", received);
        let act =
            if one.reason == Reason::Rotation { "signing key rotated" } else { "epoch started" };
        leaf.facts.insert("act".into(), act.to_owned());
        leaf.facts.insert("reason".into(), one.reason.as_str().to_owned());
        leaf.facts.insert(FACT.into(), note.to_owned());
        let epoch = epoch_of(one.new.name()).1;
        leaf.epoch = Some(epoch).filter(|epoch| *epoch > 1);
        finish(&leaf)
    }

    /// Compares the successions that the installation's log tells of with those that the keys keep.
    pub(crate) fn check_successions(&self, told: &[(u64, String)]) -> Vec<crate::verify::Fault> {
        let kept = self.keys.successions();
        let same = |(index, note): &(u64, String), kept: &Kept| {
            kept.note == *note && kept.index.is_none_or(|place| place == *index)
        };
        let unknown = told.iter().filter(|told| !kept.iter().any(|kept| same(told, kept)));
        let unknown = unknown.map(|(index, _)| {
            (Some(*index), "the log tells of a change of its key that the keys know nothing of")
        });
        let untold = kept.iter().filter(|kept| {
            // One that was handed over just now is entered at the next start.
            kept.index.is_some() && !told.iter().any(|told| same(told, kept))
        });
        let untold = untold
            .map(|kept| (kept.index, "the log's entry about a change of its key is not there"));
        unknown
            .chain(untold)
            .map(|(index, what)| {
                let verdict = crate::verify::Verdict::Missing;
                crate::verify::Fault {
                    verdict,
                    trace_id: None,
                    span_id: None,
                    log: Some(self.log_origin(LogId::Installation)),
                    index,
                    what: what.to_owned(),
                }
            })
            .collect()
    }

    /// Size and root of the installation's log, as a succession states them.
    pub async fn installation_head(&self) -> Result<(u64, Hash), Error> {
        let head = self.store.head(LogId::Installation).await?;
        Ok((head.size, Hash(head.root)))
    }
}

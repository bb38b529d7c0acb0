//! Which outside words cover an entry of a workspace's log: the word is about a checkpoint of the
//! installation's log, and somewhere below that stands a head that covers the entry.

use std::collections::HashMap;

use exhibit_evidence::stamp;
use exhibit_ledger::{Leaf, LeafKind, SignedCheckpoint, VerifierKey};
use exhibit_store::{Anchor, AnchorKind, LogId};
use parking_lot::Mutex;
use serde::Serialize;

use crate::{Error, Recorder};

/// Leaves read at once.
const CHUNK: u64 = 4_096;
/// How far back a head is looked for, in chunks.
const CHUNKS_MAX: usize = 64;
/// Answers remembered.
const PLACES_MAX: usize = 4_096;
/// Anchors looked at.
const ANCHORS_MAX: usize = 10_000;

/// What outsiders have said about an entry.
#[derive(Debug, Clone, Default, Serialize)]
pub struct OutsideWord {
    /// Witnesses of our policy that cosigned the first such checkpoint that enough of them did.
    pub witnesses: Vec<WitnessWord>,
    /// The earliest time stamp over it.
    pub stamp: Option<StampWord>,
}

/// One witness's word.
#[derive(Debug, Clone, Serialize)]
pub struct WitnessWord {
    /// Its name.
    pub name: String,
    /// When it saw the checkpoint by its own clock, seconds since 1970.
    pub time_s: Option<u64>,
    /// Size of the installation's log in that checkpoint.
    pub size: u64,
}

/// A time stamp.
#[derive(Debug, Clone, Serialize)]
pub struct StampWord {
    /// Who gave it.
    pub authority: String,
    /// The entry existed by then, RFC 3339.
    pub time: String,
    /// Size of the installation's log in the stamped checkpoint.
    pub size: u64,
    /// Whether the certificates that we trust vouch for the authority.
    pub trusted: bool,
}

/// Sizes that heads below a place state for a log: (log, place) to size.
#[derive(Default)]
pub(crate) struct Places(Mutex<HashMap<(LogId, u64), u64>>);

impl Recorder {
    /// What outsiders have said about the entry `index` of a log.
    pub(crate) async fn outside_word(&self, log: LogId, index: u64) -> Result<OutsideWord, Error> {
        let outside = self.trusted();
        let mut word = OutsideWord::default();
        if let Some(policy) = outside.policy.as_ref().filter(|p| p.wants_witnesses()) {
            let mut anchors = self.store.anchors(AnchorKind::Witnessed, 0, ANCHORS_MAX).await?;
            let enough = |anchor: &Anchor| {
                let signed = SignedCheckpoint::parse(anchor.note.as_bytes()).ok();
                signed.and_then(|s| policy.check(&s).ok()).is_some_and(|w| w.enough)
            };
            // Signatures are dear; only those that could be the first are checked.
            anchors = self.covering_from_first(log, index, anchors).await?;
            if let Some(anchor) = anchors.iter().find(|anchor| enough(anchor)) {
                word.witnesses = witness_words(anchor, policy);
            }
        }
        let stamps = self.store.anchors(AnchorKind::Stamped, 0, ANCHORS_MAX).await?;
        let stamps = self.covering_from_first(log, index, stamps).await?;
        word.stamp = stamps.into_iter().find_map(|anchor| {
            let signed = SignedCheckpoint::parse(anchor.note.as_bytes()).ok()?;
            let text = signed.note().text().as_bytes();
            let read = stamp::read(&anchor.token, text).ok()?;
            let trusted = stamp::verify(&anchor.token, text, &outside.roots).is_ok();
            let time = read.time.to_rfc3339();
            Some(StampWord { authority: anchor.name, time, size: anchor.size, trusted })
        });
        Ok(word)
    }

    /// The anchors from the first on that covers the entry; they come by rising size.
    async fn covering_from_first(
        &self,
        log: LogId,
        index: u64,
        mut anchors: Vec<Anchor>,
    ) -> Result<Vec<Anchor>, Error> {
        let (mut from, mut to) = (0, anchors.len());
        while from < to {
            let middle = from.midpoint(to);
            let size = anchors.get(middle).map_or(0, |anchor| anchor.size);
            if self.stated_below(log, size).await? > index {
                to = middle;
            } else {
                from = middle + 1;
            }
        }
        Ok(anchors.split_off(from))
    }

    /// The size of a log that the newest head below `place` in the installation's log states; 0 where
    /// none is found.
    async fn stated_below(&self, log: LogId, place: u64) -> Result<u64, Error> {
        if log == LogId::Installation {
            return Ok(place);
        }
        if let Some(size) = self.eyes.places.0.lock().get(&(log, place)) {
            return Ok(*size);
        }
        let origin = self.log_origin(log);
        let (mut to, mut stated) = (place, 0);
        for _ in 0..CHUNKS_MAX {
            let from = to.saturating_sub(CHUNK);
            let leaves = self.store.leaves(LogId::Installation, from, to).await?;
            let size = leaves.iter().rev().find_map(|bytes| {
                let leaf = Leaf::parse(bytes).ok()?;
                let ours = leaf.kind == LeafKind::Head
                    && leaf
                        .facts
                        .get("log")
                        .is_some_and(|stated| self.present_name(stated) == origin);
                leaf.facts.get("size").filter(|_| ours)?.parse::<u64>().ok()
            });
            if let Some(size) = size {
                stated = size;
                break;
            }
            to = from;
            if to == 0 {
                break;
            }
        }
        let mut places = self.eyes.places.0.lock();
        if places.len() >= PLACES_MAX {
            places.clear();
        }
        places.insert((log, place), stated);
        Ok(stated)
    }
}

fn witness_words(anchor: &Anchor, policy: &exhibit_ledger::Policy) -> Vec<WitnessWord> {
    let Ok(signed) = SignedCheckpoint::parse(anchor.note.as_bytes()) else {
        return Vec::new();
    };
    let keys: Vec<_> = policy.witnesses.iter().map(|w| w.key.clone()).collect();
    let found = signed.cosignatures(&keys).unwrap_or_default();
    let name =
        |key: &VerifierKey| policy.witnesses.iter().find(|w| w.key == *key).map(|w| w.name.clone());
    found
        .into_iter()
        .filter_map(|one| {
            let (time_s, size) = (one.timestamp_s, anchor.size);
            Some(WitnessWord { name: name(one.key)?, time_s, size })
        })
        .collect()
}

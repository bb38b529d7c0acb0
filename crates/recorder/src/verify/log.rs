//! One whole log: its leaves hash to its tiles, its tiles to its heads, its heads to what was signed.

use std::collections::BTreeMap;

use exhibit_ledger::{Frontier, Hash, Leaf, LeafKind, SignedCheckpoint, leaf_hash};
use exhibit_store::{LogId, StoredCheckpoint};

use super::{Fault, Progress, Verdict};
use crate::{Error, Recorder, succession};

/// Leaves read at once.
const CHUNK: u64 = 4_096;

/// What a pass over a log gives.
pub(super) struct LogPass {
    /// How many leaves it has.
    pub(super) size: u64,
    /// Heads of other logs that it states: origin to size to root.
    pub(super) heads: BTreeMap<String, BTreeMap<u64, Hash>>,
    /// Successions of the signing key that it tells of, with their places.
    pub(super) successions: Vec<(u64, String)>,
    pub(super) faults: Vec<Fault>,
}

/// Which indexes of a log records claim as theirs: one bit each.
#[derive(Default)]
pub(super) struct Claimed(Vec<u64>);

impl Claimed {
    /// Marks an index; false when it was claimed before.
    pub(super) fn claim(&mut self, index: u64) -> bool {
        let (word, bit) = ((index / 64) as usize, 1 << (index % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let fresh = self.0[word] & bit == 0;
        self.0[word] |= bit;
        fresh
    }

    fn has(&self, index: u64) -> bool {
        self.0.get((index / 64) as usize).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }
}

impl Recorder {
    /// Checks that a stored checkpoint is ours and says what its row says.
    pub(super) fn check_checkpoint(&self, stored: &StoredCheckpoint) -> Result<(), Fault> {
        let origin = self.log_origin(stored.log);
        let fault = |verdict, what: &str| {
            let mut fault = Fault::new(verdict, what);
            fault.log = Some(origin.clone());
            fault
        };
        let signed = SignedCheckpoint::parse(stored.note.as_bytes())
            .map_err(|_| fault(Verdict::Altered, "the checkpoint does not read"))?;
        if !self.is_signed(stored.log, &signed) {
            let what = "the checkpoint is not signed by this log's key";
            return Err(fault(Verdict::WrongKey, what));
        }
        let stated = signed.checkpoint();
        if (stated.size, stated.root.0) != (stored.size, stored.root) {
            return Err(fault(
                Verdict::Altered,
                "the checkpoint says another size or root than its row",
            ));
        }
        Ok(())
    }

    /// Reads a whole log. `heads` are the roots that the installation's log states for it;
    /// `claimed` are the indexes that records were found for, and how many leaves there were before records
    /// were read: those of later ones are not looked for.
    pub(super) async fn check_log(
        &self,
        log: LogId,
        heads: &BTreeMap<u64, Hash>,
        claimed: Option<(&Claimed, u64)>,
        progress: &dyn Progress,
    ) -> Result<LogPass, Error> {
        let origin = self.log_origin(log);
        // The checkpoint first: beside a server that writes, the next one may cover more than this head.
        let checkpoint = self.store.checkpoint(log).await?;
        let head = self.store.head(log).await?;
        let mut pass = LogPass {
            size: head.size,
            heads: BTreeMap::new(),
            successions: Vec::new(),
            faults: Vec::new(),
        };
        let fault = |verdict, index, what: String| {
            let mut fault = Fault::new(verdict, what);
            fault.log = Some(origin.clone());
            fault.index = index;
            fault
        };
        let mut wanted = heads.clone();
        if let Some(checkpoint) = &checkpoint {
            pass.faults.extend(self.check_checkpoint(checkpoint).err());
            wanted.insert(checkpoint.size, Hash(checkpoint.root));
        }
        if let Some((size, _)) = wanted.last_key_value().filter(|(size, _)| **size > head.size) {
            let what = format!("the log has {} leaves, a signed head says {size}", head.size);
            pass.faults.push(fault(Verdict::Truncated, Some(head.size), what));
        }

        let mut frontier = Frontier::default();
        let mut at = 0;
        while at < head.size {
            let next_wanted = wanted.range(at + 1..).next().map_or(u64::MAX, |(size, _)| *size);
            let to = (at + CHUNK).min(head.size).min(next_wanted);
            let leaves = self.store.leaves(log, at, to).await?;
            if leaves.len() as u64 != to - at {
                let what = format!("leaves are missing after index {}", at + leaves.len() as u64);
                pass.faults.push(fault(Verdict::Missing, Some(at + leaves.len() as u64), what));
                return Ok(pass);
            }
            let hashes: Vec<Hash> = leaves.iter().map(|bytes| leaf_hash(bytes)).collect();
            let stored = self.store.hashes(log, 0, at, to).await?;
            for (offset, bytes) in leaves.iter().enumerate() {
                let index = at + offset as u64;
                if stored.get(offset) != Some(&hashes[offset].0) {
                    let what = format!("leaf {index} is not the one that was hashed into the tree");
                    pass.faults.push(fault(Verdict::Altered, Some(index), what));
                }
                let Ok(leaf) = Leaf::parse(bytes) else {
                    pass.faults.push(fault(
                        Verdict::Altered,
                        Some(index),
                        format!("leaf {index} does not read"),
                    ));
                    continue;
                };
                let is_record = match leaf.kind {
                    LeafKind::Span | LeafKind::TraceSeal => true,
                    LeafKind::Admin
                    | LeafKind::KeyChange
                    | LeafKind::Hold
                    | LeafKind::Retention
                    | LeafKind::Erasure => leaf.body_root.is_some(),
                    _ => false,
                };
                let is_missing = |(c, upto): (&Claimed, u64)| index < upto && !c.has(index);
                if is_record && claimed.is_some_and(is_missing) {
                    let what = format!("the record of leaf {index} is not there");
                    pass.faults.push(fault(Verdict::Missing, Some(index), what));
                }
                let told = leaf.facts.get(succession::FACT);
                if let Some(note) = told.filter(|_| leaf.kind == LeafKind::KeyChange) {
                    pass.successions.push((index, note.clone()));
                }
                self.note_head(&leaf, &mut pass.heads);
            }
            for tile in frontier.append_many(&hashes) {
                let stored = self.store.hashes(log, tile.level, tile.index, tile.index + 1).await?;
                if stored.first() != Some(&tile.hash.0) {
                    let what = format!(
                        "tile {}/{} is not what its leaves hash to",
                        tile.level, tile.index
                    );
                    pass.faults.push(fault(Verdict::Altered, None, what));
                }
            }
            at = to;
            progress.leaves(hashes.len() as u64);
            if wanted.get(&at).is_some_and(|root| *root != frontier.root()) {
                let what = format!("the first {at} leaves are not those that were signed");
                pass.faults.push(fault(Verdict::Forked, Some(at), what));
            }
        }
        if frontier.root().0 != head.root {
            let what = "the log's leaves do not hash to its head".to_owned();
            pass.faults.push(fault(Verdict::Altered, None, what));
        }
        Ok(pass)
    }

    /// Remembers what a head leaf states about another log, under the log's present name.
    fn note_head(&self, leaf: &Leaf, heads: &mut BTreeMap<String, BTreeMap<u64, Hash>>) {
        if leaf.kind != LeafKind::Head {
            return;
        }
        let fact = |name: &str| leaf.facts.get(name).map(String::as_str);
        let stated = fact("log").zip(fact("size").and_then(|s| s.parse().ok()));
        let root = fact("root").and_then(|text| Hash::from_hex(text).ok());
        if let (Some((log, size)), Some(root)) = (stated, root) {
            heads.entry(self.present_name(log)).or_default().insert(size, root);
        }
    }
}

//! Witnessing (C2SP tlog-witness): what a log asks of a witness, and what a witness must refuse.
//!
//! [`AddCheckpoint`] is the request as text; [`judge`] decides it against what the witness cosigned
//! last. Keeping that state, and doing both in one step, is the business of whoever holds the key.

use std::fmt;

use crate::checkpoint::{Checkpoint, SignedCheckpoint, decimal};
use crate::note::VerifierKey;
use crate::proof::verify_consistency;
use crate::tree::{Hash, empty_root};

/// Longest request that is read, in bytes.
pub const REQUEST_BYTES_MAX: usize = 256 << 10;
/// Most lines of a consistency proof.
const PROOF_MAX: usize = 63;

/// A request to cosign a checkpoint, well-formed but not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the log believes the witness cosigned last; 0 for none.
    pub old: u64,
    /// Consistency proof from that size to the checkpoint's (RFC 6962, section 2.1.2).
    pub proof: Vec<Hash>,
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
}

/// Why a checkpoint is not cosigned, as the specification tells the cases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request does not read.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// The witness does not watch this log.
    #[error("unknown log")]
    UnknownLog,
    /// No trusted key of the log has signed.
    #[error("no signature of a trusted key of this log")]
    Untrusted,
    /// Another size was cosigned last.
    #[error("the last cosigned size is {0}")]
    Conflict(u64),
    /// One size, two roots: the log has forked.
    #[error("the log has forked: another root was cosigned for size {0}")]
    Forked(u64),
    /// The proof does not hold: the log does not continue what was cosigned.
    #[error("the consistency proof does not hold")]
    Inconsistent,
}

impl Refusal {
    /// The status code that the specification gives it.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Untrusted => 403,
            Self::UnknownLog => 404,
            Self::Conflict(_) | Self::Forked(_) => 409,
            Self::Inconsistent => 422,
        }
    }

    /// Whether the request is evidence against the log: it signed what contradicts what it signed.
    pub fn is_misbehaviour(self) -> bool {
        matches!(self, Self::Forked(_) | Self::Inconsistent)
    }
}

impl AddCheckpoint {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for any other form.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let malformed = Refusal::Malformed;
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(malformed("too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        let (head, note) =
            text.split_once("\n\n").ok_or(malformed("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal);
        let old = old.ok_or(malformed("the first line is 'old' and a size"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == PROOF_MAX {
                return Err(malformed("more than 63 hashes"));
            }
            proof.push(Hash::from_base64(line).map_err(|_| malformed("a line is not a hash"))?);
        }
        let checkpoint = SignedCheckpoint::parse(note.as_bytes())
            .map_err(|_| malformed("the checkpoint does not read"))?;
        Ok(Self { old, proof, checkpoint })
    }
}

/// The request as it is sent.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Decides a request: `logs` are the keys of the logs that are watched (a log's key has its origin as
/// name), `last` is what was cosigned last for the origin of the request.
///
/// # Errors
/// Why the checkpoint must not be cosigned. The checks are made in the order of the specification.
pub fn judge(
    request: &AddCheckpoint,
    logs: &[VerifierKey],
    last: Option<&Checkpoint>,
) -> Result<(), Refusal> {
    let head = request.checkpoint.checkpoint();
    let mut known = logs.iter().filter(|key| key.name() == head.origin).peekable();
    if known.peek().is_none() {
        return Err(Refusal::UnknownLog);
    }
    if !known.any(|key| request.checkpoint.verify(&head.origin, key).is_ok()) {
        return Err(Refusal::Untrusted);
    }
    if request.old > head.size {
        return Err(Refusal::Malformed("the old size is larger than the checkpoint's"));
    }
    let (size, root) = last.map_or((0, empty_root()), |last| (last.size, last.root));
    if request.old != size {
        return Err(Refusal::Conflict(size));
    }
    if size == head.size {
        if !request.proof.is_empty() {
            return Err(Refusal::Inconsistent);
        }
        // Nothing was ever cosigned, or the same head is cosigned again with a newer time.
        return if root == head.root { Ok(()) } else { Err(Refusal::Forked(size)) };
    }
    if size == 0 {
        return if request.proof.is_empty() { Ok(()) } else { Err(Refusal::Inconsistent) };
    }
    verify_consistency(size, head.size, &root, &head.root, &request.proof)
        .map_err(|_| Refusal::Inconsistent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::NoteSigner;
    use crate::{Frontier, leaf_hash};

    fn head(leaves: &[u64], seed: u8) -> SignedCheckpoint {
        let key = NoteSigner::new("log", &[seed; 32]).unwrap();
        let hashes: Vec<Hash> = leaves.iter().map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut frontier = Frontier::default();
        frontier.append_many(&hashes);
        let checkpoint = Checkpoint::new("log", frontier.size(), frontier.root());
        SignedCheckpoint::sign(checkpoint, &key).unwrap()
    }

    fn proof(leaves: &[u64], old: u64) -> Vec<Hash> {
        let hashes: Vec<Hash> = leaves.iter().map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let size = hashes.len() as u64;
        crate::consistency_proof(&hashes[..], old, size).unwrap()
    }

    fn logs() -> Vec<VerifierKey> {
        vec![NoteSigner::new("log", &[1; 32]).unwrap().verifier().clone()]
    }

    #[test]
    fn each_refusal_has_the_status_of_the_specification() {
        let leaves: Vec<u64> = (0..7).collect();
        let old = head(&leaves[..3], 1).checkpoint().clone();
        let ask = |old, proof, checkpoint| AddCheckpoint { old, proof, checkpoint };
        let good = ask(3, proof(&leaves, 3), head(&leaves, 1));
        assert_eq!(judge(&good, &logs(), Some(&old)), Ok(()));
        let status = |request: &AddCheckpoint, last: Option<&Checkpoint>| {
            judge(request, &logs(), last).map_err(Refusal::status)
        };
        assert_eq!(status(&good, None), Err(409), "nothing was cosigned yet");
        assert_eq!(status(&ask(0, vec![], head(&leaves, 1)), Some(&old)), Err(409));
        assert_eq!(status(&ask(0, vec![], head(&leaves, 1)), None), Ok(()));
        assert_eq!(status(&ask(3, vec![], head(&leaves, 2)), Some(&old)), Err(403));
        assert_eq!(judge(&good, &[], Some(&old)).map_err(Refusal::status), Err(404));
        assert_eq!(status(&ask(8, vec![], head(&leaves, 1)), Some(&old)), Err(400));
        assert_eq!(status(&ask(3, vec![], head(&leaves, 1)), Some(&old)), Err(422));
        let mut forked = leaves.clone();
        forked[1] = 99;
        assert_eq!(status(&ask(3, proof(&forked, 3), head(&forked, 1)), Some(&old)), Err(422));
        let fork = ask(3, vec![], head(&forked[..3], 1));
        assert_eq!(judge(&fork, &logs(), Some(&old)), Err(Refusal::Forked(3)));
        // A log that was taken back to two leaves.
        assert_eq!(status(&ask(2, vec![], head(&leaves[..2], 1)), Some(&old)), Err(409));
    }

    #[test]
    fn a_request_reads_back_and_other_forms_are_refused() {
        let leaves: Vec<u64> = (0..7).collect();
        let request =
            AddCheckpoint { old: 3, proof: proof(&leaves, 3), checkpoint: head(&leaves, 1) };
        let text = request.to_string();
        assert_eq!(AddCheckpoint::parse(text.as_bytes()), Ok(request));
        for wrong in ["", "old 3\n", "old 03\n\n", "old 3\nxx\n\n", "new 3\n\nlog\n"] {
            assert!(AddCheckpoint::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        let many = "old 1\n".to_owned() + &format!("{}\n", Hash([0; 32]).to_base64()).repeat(64);
        assert!(
            AddCheckpoint::parse((many + "\n" + &head(&leaves, 1).to_string()).as_bytes()).is_err()
        );
    }
}

//! Who signed: the log's key, its checkpoint, the manifest, the installation's log above it.

use std::io::{Read, Seek};

use exhibit_ledger::{
    Hash, Leaf, LeafKind, SignedCheckpoint, Succession, VerifierKey,
    checkpoint::CheckpointError,
    dsse::EnvelopeError,
    leaf_hash,
    note::{KeyKind, NoteError},
    succession::{self, Reason},
    verify_consistency, verify_inclusion,
};

use super::{Bundle, Demands, Fault, Report, Verdict, stamps::Head};
use crate::{
    line::{ConsistencyProof, HeadProof},
    manifest::{SIGNATURE, sha256, signed_digest},
};

const LOG_KEY: &str = "keys/log.vkey";
const CHECKPOINT: &str = "checkpoints/log";
const INSTALLATION_KEY: &str = "keys/installation.vkey";
const INSTALLATION: &str = "checkpoints/installation";
const SUCCESSIONS: &str = "keys/successions.json";
const HEAD: &str = "checkpoints/head.json";
const CONSISTENCY: &str = "checkpoints/consistency.json";

impl<R: Read + Seek, O: Fn() -> std::io::Result<R> + Sync> Bundle<'_, O> {
    /// Checks every signature. Only the first fault counts: what is not signed by the right key says
    /// nothing about what else is wrong.
    pub(super) fn check_head(&self, demands: &Demands, report: &mut Report) -> Result<(), Fault> {
        let key = self.key(LOG_KEY)?;
        key.name().clone_into(&mut report.log);
        report.key = key.to_string();
        let above = self.key(INSTALLATION_KEY)?;
        if !extends(&above, &key) {
            let what = "the installation's key is not the one that signs the workspace's log";
            return Err(Fault::new(Verdict::WrongKey, "key-differs", what).of(INSTALLATION_KEY));
        }
        let chain = self.successions(&above)?;
        let below = key.name().strip_prefix(above.name()).unwrap_or_default();
        match &demands.key {
            None => report.qualifiers.push("key-self-asserted"),
            Some(pinned) if extends(pinned, &key) => {}
            Some(pinned) if is_heir(pinned, &chain, below) => {
                report.qualifiers.push("key-succeeded");
            }
            Some(_) => {
                let what = format!("the log is signed with {key}, not with the pinned key");
                return Err(Fault::new(Verdict::WrongKey, "key-not-pinned", what).of(LOG_KEY));
            }
        }
        if chain.iter().any(|one| one.reason == Reason::Restore) {
            report.qualifiers.push("restored");
        }
        let checkpoint = self.checkpoint(CHECKPOINT, &key)?;
        self.check_manifest(&key, &checkpoint)?;
        report.tree_size = checkpoint.checkpoint().size;
        let (witnessed, head) =
            self.check_installation(demands, &above, &chain, &checkpoint, report)?;
        self.check_stamps(demands, &above, &chain, &head, report)?;
        let independent = self.check_independent(demands, &key, below, &chain, &checkpoint)?;
        if !witnessed && !independent {
            report.qualifiers.push("unwitnessed");
            if demands.require_witness {
                let what = "no trusted witness has cosigned, and no checkpoint was given";
                return Err(Fault::new(Verdict::Unverifiable, "unwitnessed", what));
            }
        }
        Ok(())
    }

    fn key(&self, name: &str) -> Result<VerifierKey, Fault> {
        let text = self.file(name)?;
        let text = std::str::from_utf8(&text).ok().and_then(|text| text.strip_suffix('\n'));
        text.and_then(|text| text.parse().ok())
            .ok_or_else(|| Fault::malformed(name, "not a verifier key"))
    }

    /// Which key followed which, up to the installation's.
    fn successions(&self, above: &VerifierKey) -> Result<Vec<Succession>, Fault> {
        let Some(bytes) = self.optional(SUCCESSIONS)? else { return Ok(Vec::new()) };
        let notes: Vec<String> = serde_json::from_slice(&bytes)
            .map_err(|_| Fault::malformed(SUCCESSIONS, "not a list of notes"))?;
        succession::chain(notes.iter().map(String::as_str), above).map_err(|error| {
            let what = format!("the changes of the log's key do not hold: {error}");
            Fault::new(Verdict::WrongKey, "key-succession", what).of(SUCCESSIONS)
        })
    }

    /// A checkpoint that `key` has signed for its own log.
    fn checkpoint(&self, name: &str, key: &VerifierKey) -> Result<SignedCheckpoint, Fault> {
        let malformed = |_| Fault::malformed(name, "not a signed checkpoint");
        let signed = SignedCheckpoint::parse(&self.file(name)?).map_err(malformed)?;
        signed.verify(key.name(), key).map_err(|error| unsigned(&error, name))?;
        Ok(signed)
    }

    fn check_manifest(
        &self,
        key: &VerifierKey,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(), Fault> {
        match signed_digest(&self.file(SIGNATURE)?, key) {
            Ok(digest) if digest == sha256(&self.manifest_bytes) => {}
            Ok(_) => {
                let what = "the manifest is not the one that was signed";
                return Err(Fault::new(Verdict::Altered, "manifest-changed", what));
            }
            Err(EnvelopeError::Unverified) => {
                let what = "the manifest is not signed by the log's key";
                let fault = Fault::new(Verdict::WrongKey, "manifest-signature", what);
                return Err(fault.of(SIGNATURE));
            }
            Err(EnvelopeError::Malformed(what)) => return Err(Fault::malformed(SIGNATURE, what)),
        }
        let (stated, head) = (&self.manifest.log, checkpoint.checkpoint());
        let same = stated.origin == head.origin
            && stated.size == head.size
            && stated.root == head.root.to_hex();
        if same {
            return Ok(());
        }
        let what = "the manifest states another head than the checkpoint";
        Err(Fault::new(Verdict::Forked, "head-differs", what).of(CHECKPOINT))
    }

    /// Checks that the installation's log states this head, and who has cosigned that log. Gives
    /// whether enough trusted witnesses have, and where the head stands.
    fn check_installation(
        &self,
        demands: &Demands,
        above: &VerifierKey,
        chain: &[Succession],
        workspace: &SignedCheckpoint,
        report: &mut Report,
    ) -> Result<(bool, Head), Fault> {
        let installation = self.signed_by_any(INSTALLATION, above, chain)?;
        let malformed = || Fault::malformed(HEAD, "not the proof of a head");
        let head: HeadProof = serde_json::from_slice(&self.file(HEAD)?).map_err(|_| malformed())?;
        let path = hashes(&head.proof).ok_or_else(malformed)?;
        let (size, root) = (installation.checkpoint().size, installation.checkpoint().root);
        let hash = leaf_hash(head.leaf.as_bytes());
        verify_inclusion(head.index, size, &hash, &path, &root).map_err(|error| {
            let what = format!("the head does not stand in the installation's log: {error}");
            Fault::new(Verdict::BadProof, "head-proof", what).of(HEAD)
        })?;
        let leaf = Leaf::parse(head.leaf.as_bytes()).map_err(|_| malformed())?;
        let fact = |name: &str| leaf.facts.get(name).map(String::as_str);
        let stated = workspace.checkpoint();
        let same = leaf.kind == LeafKind::Head
            && fact("log") == Some(&*stated.origin)
            && fact("size") == Some(&*stated.size.to_string())
            && fact("root") == Some(&*stated.root.to_hex());
        if !same {
            let what = "the installation's log states another head of this log";
            return Err(Fault::new(Verdict::Forked, "head-differs", what).of(HEAD));
        }
        let head = Head { index: head.index, hash };
        let Some(policy) = &demands.policy else { return Ok((false, head)) };
        let witnessed = policy.check(&installation).map_err(|_| {
            let what = "a cosignature carries a trusted witness's name and is not its";
            Fault::new(Verdict::WrongKey, "cosignature", what).of(INSTALLATION)
        })?;
        report.witnesses = witnessed.names.iter().map(|name| (*name).to_owned()).collect();
        Ok((witnessed.enough && policy.wants_witnesses(), head))
    }

    /// A checkpoint of the installation, signed by its key, or by one before for what its log held then:
    /// what witnesses cosigned last may be older than the key.
    pub(super) fn signed_by_any(
        &self,
        name: &str,
        above: &VerifierKey,
        chain: &[Succession],
    ) -> Result<SignedCheckpoint, Fault> {
        let malformed = |_| Fault::malformed(name, "not a signed checkpoint");
        let signed = SignedCheckpoint::parse(&self.file(name)?).map_err(malformed)?;
        let size = signed.checkpoint().size;
        let before = chain.iter().filter(|one| size <= one.ended.0).map(|one| &one.old);
        let mut error = None;
        for key in [above].into_iter().chain(before) {
            match signed.verify(key.name(), key) {
                Ok(()) => return Ok(signed),
                Err(other) => error = error.or(Some(other)),
            }
        }
        Err(unsigned(&error.unwrap_or(CheckpointError::KeyKind), name))
    }

    /// Compares the bundle's checkpoint with one from elsewhere, where one was given.
    fn check_independent(
        &self,
        demands: &Demands,
        key: &VerifierKey,
        below: &str,
        chain: &[Succession],
        checkpoint: &SignedCheckpoint,
    ) -> Result<bool, Fault> {
        let Some(given) = &demands.checkpoint else { return Ok(false) };
        let before = chain.iter().filter_map(|one| {
            let name = format!("{}{below}", one.old.name());
            VerifierKey::new(&name, KeyKind::Ed25519, one.old.public_key()).ok()
        });
        let signer = [key.clone()]
            .into_iter()
            .chain(before)
            .find(|key| given.verify(key.name(), key).is_ok());
        let Some(signer) = signer else {
            let what = "the checkpoint that you gave is not signed by this log's key";
            return Err(Fault::new(Verdict::WrongKey, "given-checkpoint", what));
        };
        let taken_back = chain.iter().any(|one| {
            one.reason == Reason::Restore
                && succession::epoch_of(one.old.name()).1 >= epoch_above(signer.name(), below)
        });
        self.continues(given, checkpoint).map_err(|fault| {
            let contradicts = fault.verdict == Verdict::Forked || given_is_longer(given, checkpoint);
            if !taken_back || !contradicts {
                return fault;
            }
            let what = "the log was restored from an older backup after your checkpoint was signed, \
                        and lost what that covered; the change of its key says so";
            Fault::new(Verdict::Forked, "checkpoint-taken-back", what).of(SUCCESSIONS)
        })
    }

    /// Whether the bundle's checkpoint continues one from elsewhere.
    fn continues(
        &self,
        given: &SignedCheckpoint,
        checkpoint: &SignedCheckpoint,
    ) -> Result<bool, Fault> {
        let (old, new) = (given.checkpoint(), checkpoint.checkpoint());
        if old.size == new.size {
            let what = "the bundle's checkpoint and yours have one size and two roots";
            let forked = || Fault::new(Verdict::Forked, "checkpoint-contradicts", what);
            return if old.root == new.root { Ok(true) } else { Err(forked()) };
        }
        let proof = self.optional(CONSISTENCY)?;
        let proof = proof
            .map(|bytes| serde_json::from_slice::<ConsistencyProof>(&bytes))
            .transpose()
            .map_err(|_| Fault::malformed(CONSISTENCY, "not a consistency proof"))?;
        let fits = |p: &ConsistencyProof| p.old_size == old.size && old.size < new.size;
        let Some(proof) = proof.filter(fits) else {
            let what = "the bundle holds no consistency proof for the checkpoint that you gave; \
                        export it again with --since-checkpoint";
            return Err(Fault::new(Verdict::Unverifiable, "no-consistency-proof", what));
        };
        let path = hashes(&proof.proof)
            .ok_or_else(|| Fault::malformed(CONSISTENCY, "not a consistency proof"))?;
        verify_consistency(old.size, new.size, &old.root, &new.root, &path).map_err(|_| {
            let what = "the log does not continue the checkpoint that you gave";
            Fault::new(Verdict::Forked, "checkpoint-contradicts", what).of(CONSISTENCY)
        })?;
        Ok(true)
    }
}

/// Whether `key` is the pinned key or that of a log below it: the logs of an installation share its
/// key, and their names extend its name.
fn extends(pinned: &VerifierKey, key: &VerifierKey) -> bool {
    let below = key.name().strip_prefix(pinned.name());
    key.public_key() == pinned.public_key()
        && key.kind() == pinned.kind()
        && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the log's key is the heir of the pinned one: each on the way signed for the next.
fn is_heir(pinned: &VerifierKey, chain: &[Succession], below: &str) -> bool {
    let from = chain.iter().rposition(|one| one.hands_over_from(pinned, below));
    let way = from.and_then(|from| chain.get(from..));
    way.is_some_and(|way| way.iter().all(|one| one.reason != Reason::Compromise))
}

/// The epoch in the name of a log, `below` being what follows the installation's name.
fn epoch_above(name: &str, below: &str) -> u32 {
    succession::epoch_of(name.strip_suffix(below).unwrap_or(name)).1
}

fn given_is_longer(given: &SignedCheckpoint, checkpoint: &SignedCheckpoint) -> bool {
    given.checkpoint().size > checkpoint.checkpoint().size
}

fn unsigned(error: &CheckpointError, name: &str) -> Fault {
    let what = match error {
        CheckpointError::Origin { .. } => "the checkpoint is of another log than the key",
        CheckpointError::Note(NoteError::Unverified) => "the checkpoint is not signed by this key",
        _ => "the checkpoint's signature does not hold",
    };
    Fault::new(Verdict::WrongKey, "checkpoint-signature", what).of(name)
}

pub(super) fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    (texts.len() <= 64)
        .then(|| texts.iter().map(|text| Hash::from_base64(text).ok()).collect::<Option<_>>())
        .flatten()
}

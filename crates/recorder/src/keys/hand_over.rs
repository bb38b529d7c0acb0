//! One signing key hands over to the next: a routine rotation, a restore from an older backup, a key
//! that was stolen or lost.
//!
//! Here are only the files. The order makes a crash harmless: the successor is written beside, then the
//! succession, then the successor takes the place of the signing key. A succession that leads to a key
//! that never came into force is dropped at the next start. The leaf in the installation's log follows
//! when the recorder opens (`succession`).

use std::{fs, path::Path};

use exhibit_ledger::{
    Hash, NoteSigner, SignedCheckpoint, Succession, VerifierKey,
    succession::{self, Head, Reason, SuccessionError},
};
use exhibit_model::Entropy;
use serde::{Deserialize, Serialize};

use super::{
    EPOCH, EPOCH_PUBLIC, GUARD, KeysError, SIGNING, SIGNING_PUBLIC, malformed, random, read,
    read_vkey, write_private,
};

/// The file of successions.
const SUCCESSIONS: &str = "successions.json";
const EPOCH_LOST: &str = "only the epoch key can start a new epoch of the log; name its file with \
                          --epoch-key. If it is lost, start a new installation and keep this one to \
                          be verified";

/// A succession as the keys keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The signed note.
    pub note: String,
    /// Its place in the installation's log; none until the next start.
    pub index: Option<u64>,
}

/// What is to be handed over.
#[derive(Debug)]
pub struct HandOver<'p> {
    /// Why.
    pub reason: Reason,
    /// Head of the installation's log under the present key.
    pub ended: Head,
    /// Head from which it goes on.
    pub continues: Head,
    /// The epoch key's file, where it is not among the keys.
    pub epoch_key: Option<&'p Path>,
}

/// Puts a new signing key in the place of the present one in the directory `dir` of keys. Only while
/// nothing runs on the installation.
///
/// # Errors
/// A key that is needed and not there; what cannot be read or written.
pub fn hand_over(
    dir: &Path,
    what: &HandOver<'_>,
    entropy: &dyn Entropy,
) -> Result<Succession, KeysError> {
    let signing = dir.join(SIGNING);
    let present = signing.exists().then(|| signer(&signing)).transpose()?;
    let old = match &present {
        Some(present) => present.verifier().clone(),
        None => read_vkey(&dir.join(SIGNING_PUBLIC))?,
    };
    let epoch_path = what.epoch_key.map_or_else(|| dir.join(EPOCH), Path::to_owned);
    let epoch = epoch_path.exists().then(|| signer(&epoch_path)).transpose()?;
    let lost = || KeysError::Lost { path: epoch_path.clone(), loss: EPOCH_LOST };
    let epoch_public = match (&epoch, dir.join(EPOCH_PUBLIC)) {
        (_, public) if public.exists() => read_vkey(&public)?,
        (Some(epoch), _) => epoch.verifier().clone(),
        (None, _) => return Err(lost()),
    };
    let name = if what.reason == Reason::Rotation {
        old.name().to_owned()
    } else {
        succession::next_epoch(old.name())
    };
    let new = NoteSigner::new(&name, &random(entropy)).map_err(|_| malformed(&signing))?;
    let one = Succession {
        reason: what.reason,
        old: old.clone(),
        new: new.verifier().clone(),
        epoch: epoch_public,
        ended: what.ended,
        continues: what.continues,
    };
    let mut keys = vec![&new];
    keys.extend(present.as_ref().filter(|_| what.reason != Reason::Compromise));
    if what.reason != Reason::Rotation {
        keys.push(epoch.as_ref().ok_or_else(lost)?);
    }
    let path = dir.join(SUCCESSIONS);
    let note = one.sign(&keys).map_err(|source| KeysError::Successions { path, source })?;
    let mut kept = read_successions(dir, &old)?;
    kept.push(Kept { note, index: None });
    let successor = dir.join("signing.next");
    write_private(&successor, new.to_skey().as_bytes())?;
    write_successions(dir, &kept)?;
    let file = |source| KeysError::File { path: signing.clone(), source };
    fs::rename(&successor, &signing).map_err(file)?;
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(file)?;
    write_private(&dir.join(SIGNING_PUBLIC), new.verifier().to_string().as_bytes())?;
    Ok(one)
}

/// The head that the guard in a directory of keys states: the last that was signed.
pub fn head_in_guard(dir: &Path) -> Result<Option<Head>, KeysError> {
    let path = dir.join(GUARD);
    if !path.exists() {
        return Ok(None);
    }
    let guard = SignedCheckpoint::parse(read(&path)?.as_bytes()).map_err(|_| malformed(&path))?;
    let head = guard.checkpoint();
    Ok(Some((head.size, Hash(head.root.0))))
}

/// The successions that lead to `present`. One that leads on from it never came into force.
pub(super) fn read_successions(dir: &Path, present: &VerifierKey) -> Result<Vec<Kept>, KeysError> {
    let path = dir.join(SUCCESSIONS);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut kept: Vec<Kept> = serde_json::from_str(&read(&path)?).map_err(|_| malformed(&path))?;
    let last = kept.last().map(|last| Succession::open(&last.note));
    if last.is_some_and(|last| last.is_ok_and(|last| last.old == *present && last.new != *present))
    {
        kept.pop();
    }
    match succession::chain(kept.iter().map(|one| &*one.note), present) {
        Ok(_) => Ok(kept),
        Err(source) => Err(KeysError::Successions { path, source }),
    }
}

pub(super) fn write_successions(dir: &Path, kept: &[Kept]) -> Result<(), KeysError> {
    let path = dir.join(SUCCESSIONS);
    let unwritable = |_| KeysError::Successions {
        path: path.clone(),
        source: SuccessionError::Malformed("it cannot be written"),
    };
    let text = serde_json::to_vec_pretty(kept).map_err(unwritable)?;
    write_private(&path, &text)
}

/// Keeps the public halves where they outlive the secret ones.
pub(super) fn keep_public_halves(dir: &Path, signing: &NoteSigner) -> Result<(), KeysError> {
    let public = dir.join(SIGNING_PUBLIC);
    if read_vkey(&public).ok().as_ref() != Some(signing.verifier()) {
        write_private(&public, signing.verifier().to_string().as_bytes())?;
    }
    let (epoch, public) = (dir.join(EPOCH), dir.join(EPOCH_PUBLIC));
    if epoch.exists() && !public.exists() {
        write_private(&public, signer(&epoch)?.verifier().to_string().as_bytes())?;
    }
    Ok(())
}

fn signer(path: &Path) -> Result<NoteSigner, KeysError> {
    let skey = zeroize::Zeroizing::new(read(path)?);
    NoteSigner::from_skey(skey.trim()).map_err(|_| malformed(path))
}

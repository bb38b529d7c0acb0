//! Successions of signing keys: a signed note by which one key of a log hands over to the next.
//!
//! A **rotation** keeps the log's name; both keys sign. A **restore** from an older backup starts a new
//! epoch: the log goes on under another name, from a smaller size than it had reached, and says so;
//! both keys and the epoch key, which is kept offline, sign. After a **compromise** the old key's word
//! counts for nothing; the epoch key and the new key sign.
//!
//! The text can never pass as a checkpoint: its second line is no number.

use std::fmt;

use crate::checkpoint::decimal;
use crate::note::{KeyKind, Note, NoteError, NoteSigner, VerifierKey};
use crate::tree::Hash;

/// First line of every succession.
const FORM: &str = "exhibit.dev/succession/v1";
/// Longest succession that is read, in bytes.
pub const SUCCESSION_BYTES_MAX: usize = 16 << 10;
/// Most successions of one log that are read.
pub const SUCCESSIONS_MAX: usize = 1_000;

/// Why a key handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Routine.
    Rotation,
    /// The log was taken back to an older backup.
    Restore,
    /// The old key may be in other hands.
    Compromise,
}

impl Reason {
    /// The word in the note.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Restore => "restore",
            Self::Compromise => "compromise",
        }
    }
}

/// Size and root of a log.
pub type Head = (u64, Hash);

/// One key hands over to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// Why.
    pub reason: Reason,
    /// The key before.
    pub old: VerifierKey,
    /// The key after; its name is the log's from here on.
    pub new: VerifierKey,
    /// The key that authorises epochs.
    pub epoch: VerifierKey,
    /// The last head of the log under the old key.
    pub ended: Head,
    /// The head from which the log goes on; smaller only after a restore.
    pub continues: Head,
}

/// Why a succession was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// Not the text of a succession.
    #[error("malformed succession: {0}")]
    Malformed(&'static str),
    /// A signature that it needs is not there or does not hold.
    #[error("the succession is not signed by the {0} key")]
    Unsigned(&'static str),
    /// Not a signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Succession {
    /// Writes and signs it with every key given.
    ///
    /// # Errors
    /// Contents that no verifier would accept.
    pub fn sign(&self, keys: &[&NoteSigner]) -> Result<String, SuccessionError> {
        let mut note = Note::new(self.to_string())?;
        keys.iter().for_each(|key| key.sign(&mut note));
        let text = note.to_string();
        if Self::open(&text)? == *self {
            return Ok(text);
        }
        Err(SuccessionError::Malformed("a line break within a line"))
    }

    /// Reads one and checks every signature that its reason asks for.
    ///
    /// # Errors
    /// Another form; a missing or false signature; heads or names that do not fit the reason.
    pub fn open(note: &str) -> Result<Self, SuccessionError> {
        if note.len() > SUCCESSION_BYTES_MAX {
            return Err(SuccessionError::Malformed("too long"));
        }
        let note = Note::parse(note.as_bytes())?;
        let succession = Self::parse(note.text())?;
        let signed = |key: &VerifierKey, whose| {
            let verified = note.verify(std::slice::from_ref(key));
            verified.map(|_| ()).map_err(|_| SuccessionError::Unsigned(whose))
        };
        signed(&succession.new, "new")?;
        if succession.reason != Reason::Compromise {
            signed(&succession.old, "old")?;
        }
        if succession.reason != Reason::Rotation {
            signed(&succession.epoch, "epoch")?;
        }
        Ok(succession)
    }

    fn parse(text: &str) -> Result<Self, SuccessionError> {
        let malformed = SuccessionError::Malformed;
        let text = text.strip_suffix('\n').ok_or(malformed("no newline at the end"))?;
        let lines: Vec<&str> = text.split('\n').collect();
        let [form, reason, old, new, epoch, ended, continues] = *lines else {
            return Err(malformed("not seven lines"));
        };
        if form != FORM {
            return Err(malformed("another form"));
        }
        let reason = [Reason::Rotation, Reason::Restore, Reason::Compromise]
            .into_iter()
            .find(|r| r.as_str() == reason)
            .ok_or(malformed("no such reason"))?;
        let key = |text: &str| {
            let key = text.parse::<VerifierKey>().ok().filter(|k| k.kind() == KeyKind::Ed25519);
            key.ok_or(malformed("not a key of a log"))
        };
        let head = |line: &str| {
            let (size, root) = line.split_once(' ')?;
            Some((decimal(size)?, Hash::from_base64(root).ok()?))
        };
        let head = |line| head(line).ok_or(malformed("not a head"));
        let one = Self {
            reason,
            old: key(old)?,
            new: key(new)?,
            epoch: key(epoch)?,
            ended: head(ended)?,
            continues: head(continues)?,
        };
        one.check()?;
        Ok(one)
    }

    fn check(&self) -> Result<(), SuccessionError> {
        let malformed = SuccessionError::Malformed;
        let ((old, old_epoch), (new, new_epoch)) =
            (epoch_of(self.old.name()), epoch_of(self.new.name()));
        let next = match self.reason {
            Reason::Rotation => Some(old_epoch),
            Reason::Restore | Reason::Compromise => old_epoch.checked_add(1),
        };
        if old != new || Some(new_epoch) != next {
            return Err(malformed("the name of the new key does not follow that of the old one"));
        }
        if self.old.public_key() == self.new.public_key() {
            return Err(malformed("the new key is the old one"));
        }
        if self.epoch.name() != format!("{old}/epoch") {
            return Err(malformed("the epoch key is of another log"));
        }
        let taken_back = self.reason == Reason::Restore;
        let fits = if taken_back {
            self.continues.0 <= self.ended.0
        } else {
            self.continues == self.ended
        };
        if fits { Ok(()) } else { Err(malformed("the heads do not fit the reason")) }
    }

    /// What a key of the log before was called, or of a log below it: none where `pinned` is neither.
    /// `below` is what follows the log's name, such as `/1`, or nothing.
    pub fn hands_over_from(&self, pinned: &VerifierKey, below: &str) -> bool {
        let name = pinned.name();
        let named = name == self.old.name() || name.strip_prefix(self.old.name()) == Some(below);
        named && pinned.kind() == self.old.kind() && pinned.public_key() == self.old.public_key()
    }
}

impl fmt::Display for Succession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORM}\n{}", self.reason.as_str())?;
        writeln!(f, "{}\n{}\n{}", self.old, self.new, self.epoch)?;
        for (size, root) in [&self.ended, &self.continues] {
            writeln!(f, "{size} {}", root.to_base64())?;
        }
        Ok(())
    }
}

/// A log's name without its epoch, and the epoch: `name` is epoch 1, `name@2` epoch 2.
pub fn epoch_of(origin: &str) -> (&str, u32) {
    let numbered = origin.rsplit_once('@').and_then(|(base, n)| {
        let n = decimal(n).and_then(|n| u32::try_from(n).ok()).filter(|n| *n >= 2)?;
        (!base.is_empty()).then_some((base, n))
    });
    numbered.unwrap_or((origin, 1))
}

/// The name of the log's next epoch.
pub fn next_epoch(origin: &str) -> String {
    let (base, epoch) = epoch_of(origin);
    format!("{base}@{}", epoch.saturating_add(1))
}

/// Reads the successions of a log, oldest first: every one verified, each from the key to which the one
/// before handed over, the last to `current`.
///
/// # Errors
/// The first that does not hold, or that they do not lead to `current`.
pub fn chain<'n>(
    notes: impl IntoIterator<Item = &'n str>,
    current: &VerifierKey,
) -> Result<Vec<Succession>, SuccessionError> {
    let mut chain: Vec<Succession> = Vec::new();
    for note in notes {
        let next = Succession::open(note)?;
        if chain.last().is_some_and(|last| last.new != next.old || last.epoch != next.epoch) {
            return Err(SuccessionError::Malformed("it does not continue the one before"));
        }
        if chain.len() == SUCCESSIONS_MAX {
            return Err(SuccessionError::Malformed("too many"));
        }
        chain.push(next);
    }
    if chain.last().is_some_and(|last| last.new != *current) {
        return Err(SuccessionError::Malformed("they do not lead to the log's key"));
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "exhibit.local/a";

    fn key(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::new(name, &[seed; 32]).unwrap()
    }

    fn succession(reason: Reason, old: &NoteSigner, new: &NoteSigner, kept: u64) -> Succession {
        Succession {
            reason,
            old: old.verifier().clone(),
            new: new.verifier().clone(),
            epoch: key(&format!("{NAME}/epoch"), 9).verifier().clone(),
            ended: (7, Hash([7; 32])),
            continues: (kept, Hash([if kept == 7 { 7 } else { 1 }; 32])),
        }
    }

    #[test]
    fn a_rotation_needs_both_keys() {
        let (old, new) = (key(NAME, 1), key(NAME, 2));
        let one = succession(Reason::Rotation, &old, &new, 7);
        let note = one.sign(&[&old, &new]).unwrap();
        assert_eq!(Succession::open(&note).unwrap(), one);
        for keys in [vec![&old], vec![&new]] {
            assert!(matches!(one.sign(&keys), Err(SuccessionError::Unsigned(_))));
        }
        assert!(crate::SignedCheckpoint::parse(note.as_bytes()).is_err(), "it is no checkpoint");
    }

    #[test]
    fn a_restore_needs_the_epoch_key_too_and_a_new_name() {
        let (old, new) = (key(NAME, 1), key(&next_epoch(NAME), 2));
        let epoch = key(&format!("{NAME}/epoch"), 9);
        let one = succession(Reason::Restore, &old, &new, 3);
        assert!(one.sign(&[&old, &new]).is_err(), "the epoch key has not signed");
        let note = one.sign(&[&old, &new, &epoch]).unwrap();
        assert_eq!(Succession::open(&note).unwrap().continues.0, 3);
        let same_name = succession(Reason::Restore, &old, &key(NAME, 2), 3);
        assert!(same_name.sign(&[&old, &key(NAME, 2), &epoch]).is_err());
        let longer = succession(Reason::Restore, &old, &new, 8);
        assert!(longer.sign(&[&old, &new, &epoch]).is_err(), "a restore takes back");
    }

    #[test]
    fn after_a_compromise_the_old_key_is_not_asked() {
        let (old, new) = (key(NAME, 1), key(&next_epoch(NAME), 2));
        let epoch = key(&format!("{NAME}/epoch"), 9);
        let one = succession(Reason::Compromise, &old, &new, 7);
        assert!(one.sign(&[&new, &epoch]).is_ok());
        assert!(one.sign(&[&old, &new]).is_err());
    }

    #[test]
    fn a_chain_leads_from_key_to_key_to_the_present_one() {
        let (a, b, c) = (key(NAME, 1), key(NAME, 2), key(&next_epoch(NAME), 3));
        let epoch = key(&format!("{NAME}/epoch"), 9);
        let first = succession(Reason::Rotation, &a, &b, 7).sign(&[&a, &b]).unwrap();
        let second = succession(Reason::Restore, &b, &c, 5).sign(&[&b, &c, &epoch]).unwrap();
        let notes = [&*first, &*second];
        assert_eq!(chain(notes, c.verifier()).unwrap().len(), 2);
        assert!(chain(notes, b.verifier()).is_err(), "it leads elsewhere");
        assert!(chain([&*second, &*first], b.verifier()).is_err(), "out of order");
        assert!(chain([], a.verifier()).unwrap().is_empty());
        let links = chain(notes, c.verifier()).unwrap();
        let below = key(&format!("{NAME}/1"), 2);
        assert!(links[1].hands_over_from(below.verifier(), "/1"));
        assert!(!links[1].hands_over_from(below.verifier(), "/2"));
        assert!(!links[0].hands_over_from(below.verifier(), "/1"));
    }

    #[test]
    fn epochs_are_counted_in_the_name() {
        assert_eq!(epoch_of("a/b"), ("a/b", 1));
        assert_eq!(epoch_of("a/b@2"), ("a/b", 2));
        assert_eq!(epoch_of("a/b@02"), ("a/b@02", 1), "one form only");
        assert_eq!(epoch_of("a/b@1"), ("a/b@1", 1));
        assert_eq!(next_epoch("a/b"), "a/b@2");
        assert_eq!(next_epoch("a/b@9"), "a/b@10");
    }
}

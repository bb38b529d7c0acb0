//! The installation's keys, as files only their owner can read.
//!
//! `signing.key` signs checkpoints; `wrapping.key` wraps trace keys and is the root of the keyed
//! digests; `epoch.key` authorises a new epoch of the log after a restore or a stolen signing key,
//! and is to be taken offline; `local-admin.token` lets the command line act through a running server.
//! `payloads.db` has the keys of encrypted payloads ([`crate::sealing`]). `*.vkey` are public halves,
//! `successions.json` says which key followed which ([`hand_over`]).

mod hand_over;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use exhibit_ledger::{DigestKey, NoteSigner, VerifierKey, succession::SuccessionError};
use exhibit_model::Entropy;
use exhibit_store::Unsealer;
use parking_lot::Mutex;
use zeroize::{Zeroize, Zeroizing};

use crate::{Sealing, vault::Ring};

pub use hand_over::{HandOver, Kept, hand_over, head_in_guard};

/// Names of the files.
const SIGNING: &str = "signing.key";
const SIGNING_PUBLIC: &str = "signing.vkey";
const EPOCH: &str = "epoch.key";
const EPOCH_PUBLIC: &str = "epoch.vkey";
const WRAPPING: &str = "wrapping.key";
const GUARD: &str = "guard";
const ERASED: &str = "erased";

/// Keys that could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold a key.
    #[error("{path} does not hold a key of this kind; restore it from your backup of the keys")]
    Malformed {
        /// Which.
        path: PathBuf,
    },
    /// The installation has lived, and a key of it is gone. Another would not do.
    #[error("{path} is gone: {loss}")]
    Lost {
        /// Which.
        path: PathBuf,
        /// What that means, and what to do.
        loss: &'static str,
    },
    /// The record of which key followed which does not hold.
    #[error("{path}: {source}; restore it from your backup of the keys")]
    Successions {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: SuccessionError,
    },
}

const SIGNING_LOST: &str = "restore it from your backup of the keys; if there is none, `exhibit keys \
                            rotate-signing --lost` starts a new epoch with the epoch key";
const WRAPPING_LOST: &str = "without it no record can be proved and no quarantined one be read; restore \
                             it from your backup of the keys";

/// The keys of an installation.
pub struct Keys {
    seed: Zeroizing<[u8; 32]>,
    wrapping: Zeroizing<[u8; 32]>,
    origin: String,
    local_token: Zeroizing<String>,
    guard: PathBuf,
    dir: PathBuf,
    epoch_key: Option<PathBuf>,
    successions: Mutex<Vec<Kept>>,
    created: bool,
    sealing: Option<Arc<Sealing>>,
}

impl Keys {
    /// Opens the keys in `data_dir/keys`, making what is missing.
    pub fn open(data_dir: &Path, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let dir = data_dir.join("keys");
        make_private_dir(&dir)?;
        let signing = dir.join(SIGNING);
        let wrapping_path = dir.join(WRAPPING);
        let has_lived = dir.join(GUARD).exists();
        let created = !signing.exists();
        if created && has_lived {
            return Err(KeysError::Lost { path: signing, loss: SIGNING_LOST });
        }
        if !created && !wrapping_path.exists() {
            return Err(KeysError::Lost { path: wrapping_path, loss: WRAPPING_LOST });
        }
        if created {
            create(&dir, entropy)?;
        }
        let token_path = dir.join("local-admin.token");
        if !token_path.exists() {
            write_private(&token_path, hex::encode(*random(entropy)).as_bytes())?;
        }
        let skey = Zeroizing::new(read(&signing)?);
        let (origin, seed) = parse_skey(&skey).ok_or_else(|| malformed(&signing))?;
        let signer = NoteSigner::new(&origin, &seed).map_err(|_| malformed(&signing))?;
        let mut wrapping = Zeroizing::new([0; 32]);
        hex::decode_to_slice(read(&wrapping_path)?.trim(), &mut *wrapping)
            .map_err(|_| malformed(&wrapping_path))?;
        let epoch = dir.join(EPOCH);
        hand_over::keep_public_halves(&dir, &signer)?;
        Ok(Self {
            seed,
            wrapping,
            local_token: Zeroizing::new(read(&token_path)?.trim().to_owned()),
            guard: dir.join(GUARD),
            epoch_key: epoch.exists().then_some(epoch),
            successions: Mutex::new(hand_over::read_successions(&dir, signer.verifier())?),
            origin,
            dir,
            created,
            sealing: None,
        })
    }

    /// The same, and payloads of new traces are encrypted by these keys.
    #[must_use]
    pub fn seal_payloads(mut self, sealing: Arc<Sealing>) -> Self {
        self.sealing = Some(sealing);
        self
    }

    /// What opens encrypted payloads for the store.
    pub fn unsealer(&self) -> Arc<dyn Unsealer> {
        self.ring()
    }

    /// The keys of encrypted payloads, where they are in use.
    pub(crate) fn sealing(&self) -> Option<&Arc<Sealing>> {
        self.sealing.as_ref()
    }

    /// What wraps and opens keys of traces.
    pub(crate) fn ring(&self) -> Arc<Ring> {
        Arc::new(Ring::new(&self.wrapping, self.sealing.clone()))
    }

    /// Whether this call made the keys: the first start.
    pub fn created(&self) -> bool {
        self.created
    }

    /// The epoch key's file, while it has not been taken offline.
    pub fn epoch_key(&self) -> Option<&Path> {
        self.epoch_key.as_deref()
    }

    /// Origin of the installation's log; the origins of workspace logs extend it.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The token by which the command line acts through a running server.
    pub fn local_token(&self) -> &str {
        &self.local_token
    }

    /// Which key followed which, oldest first.
    pub fn successions(&self) -> Vec<Kept> {
        self.successions.lock().clone()
    }

    /// Remembers where in the installation's log the successions stand.
    pub(crate) fn settle(&self, places: &[u64]) -> Result<(), KeysError> {
        let mut kept = self.successions.lock();
        kept.iter_mut().zip(places).for_each(|(one, place)| one.index = Some(*place));
        hand_over::write_successions(&self.dir, &kept)
    }

    /// Adds lines about erased traces; they outlive restores of older backups.
    pub(crate) fn remember_erasures(&self, lines: &str) -> Result<(), KeysError> {
        let path = self.dir.join(ERASED);
        let mut options = fs::OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let append = || -> io::Result<()> {
            let mut out = options.open(&path)?;
            out.write_all(lines.as_bytes())?;
            out.sync_all()
        };
        append().map_err(file(&path))
    }

    /// Every line about erased traces.
    pub(crate) fn erasures(&self) -> Result<String, KeysError> {
        let path = self.dir.join(ERASED);
        if path.exists() { read(&path) } else { Ok(String::new()) }
    }

    /// Signs checkpoints of the log with this origin.
    pub(crate) fn signer(&self, origin: &str) -> Option<NoteSigner> {
        NoteSigner::new(origin, &self.seed).ok()
    }

    /// Path of the checkpoint guard.
    pub(crate) fn guard(&self) -> &Path {
        &self.guard
    }

    /// The key that wraps trace keys and locks.
    pub(crate) fn wrapping(&self) -> &[u8; 32] {
        &self.wrapping
    }

    /// What tells these keys from others without showing them.
    pub fn fingerprint(&self) -> String {
        let of_both = DigestKey::new(&self.wrapping).digest("fingerprint", &[&*self.seed]).0;
        format!("{} {}", self.origin, hex::encode(of_both))
    }

    /// A key of its own for each purpose, derived from the wrapping key.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        let half = |n: u8| DigestKey::new(&self.wrapping).digest(purpose, &[&[n]]).0;
        let mut key = [0; 32];
        key[..16].copy_from_slice(&half(0));
        key[16..].copy_from_slice(&half(1));
        key
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Makes a set of keys.
fn create(dir: &Path, entropy: &dyn Entropy) -> Result<(), KeysError> {
    let mut id = [0; 8];
    entropy.fill(&mut id);
    let origin = format!("exhibit.local/{}", hex::encode(id));
    let mut epoch_seed = random(entropy);
    let signer = |seed: &[u8; 32], name: &str, path: &Path| {
        NoteSigner::new(name, seed).map_err(|_| malformed(path))
    };
    let epoch = dir.join(EPOCH);
    let key = signer(&epoch_seed, &format!("{origin}/epoch"), &epoch)?;
    epoch_seed.zeroize();
    write_private(&epoch, key.to_skey().as_bytes())?;
    write_private(&dir.join(EPOCH_PUBLIC), key.verifier().to_string().as_bytes())?;
    write_private(&dir.join(WRAPPING), hex::encode(*random(entropy)).as_bytes())?;
    // The signing key comes last: its presence says that the set is whole.
    let signing = dir.join(SIGNING);
    let key = signer(&random(entropy), &origin, &signing)?;
    write_private(&signing, key.to_skey().as_bytes())
}

/// A verifier key in a file of its own.
fn read_vkey(path: &Path) -> Result<VerifierKey, KeysError> {
    read(path)?.trim().parse().map_err(|_| malformed(path))
}

fn random(entropy: &dyn Entropy) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(&mut *bytes);
    bytes
}

/// `PRIVATE+KEY+<name>+<hash>+<base64(algorithm || seed)>` (signed-note).
fn parse_skey(text: &str) -> Option<(String, Zeroizing<[u8; 32]>)> {
    use base64::Engine as _;
    let signer = NoteSigner::from_skey(text.trim()).ok()?;
    let name = signer.verifier().name().to_owned();
    let encoded = text.trim().rsplit_once('+').and_then(|_| text.trim().splitn(5, '+').nth(4))?;
    let bytes = Zeroizing::new(base64::engine::general_purpose::STANDARD.decode(encoded).ok()?);
    let mut seed = Zeroizing::new([0; 32]);
    seed.copy_from_slice(bytes.get(1..33)?);
    Some((name, seed))
}

fn malformed(path: &Path) -> KeysError {
    KeysError::Malformed { path: path.to_owned() }
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> KeysError + '_ {
    move |source| KeysError::File { path: path.to_owned(), source }
}

fn read(path: &Path) -> Result<String, KeysError> {
    fs::read_to_string(path).map_err(file(path))
}

pub(crate) fn make_private_dir(dir: &Path) -> Result<(), KeysError> {
    fs::create_dir_all(dir).map_err(file(dir))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(file(dir))?;
    }
    Ok(())
}

/// Writes a file that only its owner can read, whole or not at all: a new file, synced, renamed
/// into place, and the directory synced.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    let fresh = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let write = || -> io::Result<()> {
        let mut out = options.open(&fresh)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&fresh, path)?;
        if let Some(dir) = path.parent() {
            fs::File::open(dir)?.sync_all()?;
        }
        Ok(())
    };
    write().map_err(file(path))
}

//! Witnessing the logs of others (C2SP tlog-witness): one key, a list of logs, and for each of them
//! the checkpoint that was cosigned last.
//!
//! The state lies in a directory of its own and needs no installation: a witness is worth most where
//! the operator of the log cannot reach. A checkpoint is persisted before its cosignature is handed
//! out, and checked against the last one under the same lock. A request whose log signed what
//! contradicts what it signed before is kept as evidence.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use exhibit_ledger::{
    AddCheckpoint, Checkpoint, Cosigner, SignedCheckpoint, VerifierKey,
    witness::{Refusal, judge},
};
use exhibit_model::{Entropy, Nanos};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::keys::{KeysError, make_private_dir, write_private};

const KEY: &str = "witness.key";
/// Requests kept as evidence; one is enough, more would let a log fill the disk.
const EVIDENCE_MAX: usize = 100;

/// Why a witness could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// A file could not be read or written, or holds no key.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The name cannot be a key's.
    #[error(
        "a witness's name is a word without spaces and plus signs, such as example.org/witness"
    )]
    Name,
    /// The directory belongs to a witness of another name.
    #[error("this directory belongs to the witness {0}")]
    OtherName(String),
    /// A kept checkpoint does not read. Starting afresh would let the log rewrite its past.
    #[error("{path} does not hold a checkpoint; restore it, or retire this witness")]
    State {
        /// Which file.
        path: PathBuf,
    },
}

/// A witness.
pub struct Witness {
    dir: PathBuf,
    key: Cosigner,
    logs: Vec<VerifierKey>,
    last: Mutex<HashMap<String, Checkpoint>>,
}

/// What a witness answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Content type.
    pub content_type: &'static str,
    /// Body.
    pub body: String,
}

impl Witness {
    /// Opens the witness in `dir`; makes its key where there is none yet. `logs` are the keys of the
    /// logs that it watches, each named by its log's origin.
    ///
    /// # Errors
    /// Says what cannot be read, or that the directory belongs to another witness.
    pub fn open(
        dir: &Path,
        name: &str,
        logs: Vec<VerifierKey>,
        entropy: &dyn Entropy,
    ) -> Result<Self, WitnessError> {
        make_private_dir(dir)?;
        let path = dir.join(KEY);
        if !path.exists() {
            let mut seed = Zeroizing::new([0; 32]);
            entropy.fill(&mut *seed);
            let key = Cosigner::new(name, &seed).map_err(|_| WitnessError::Name)?;
            write_private(&path, key.to_skey().as_bytes())?;
        }
        let file = |source| KeysError::File { path: path.clone(), source };
        let text = Zeroizing::new(fs::read_to_string(&path).map_err(file)?);
        let malformed = |_| KeysError::Malformed { path: path.clone() };
        let key = Cosigner::from_skey(text.trim()).map_err(malformed)?;
        if key.verifier().name() != name {
            return Err(WitnessError::OtherName(key.verifier().name().to_owned()));
        }
        let mut last = HashMap::new();
        for log in &logs {
            let path = state_path(dir, log.name());
            let Ok(bytes) = fs::read(&path) else { continue };
            let signed = SignedCheckpoint::parse(&bytes);
            let head = signed.ok().map(|signed| signed.checkpoint().clone());
            let head = head.filter(|head| head.origin == log.name());
            last.insert(log.name().to_owned(), head.ok_or(WitnessError::State { path })?);
        }
        Ok(Self { dir: dir.to_owned(), key, logs, last: Mutex::new(last) })
    }

    /// Its public key: what policies of logs and verifiers name.
    pub fn key(&self) -> &VerifierKey {
        self.key.verifier()
    }

    /// The logs that it watches.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// Answers `add-checkpoint`. Waits for the disk: only for blocking threads.
    pub fn add_checkpoint(&self, body: &[u8], now: Nanos) -> Answer {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(refusal) => return refused(refusal),
        };
        let origin = request.checkpoint.checkpoint().origin.clone();
        let mut last = self.last.lock();
        if let Err(refusal) = judge(&request, &self.logs, last.get(&origin)) {
            if refusal.is_misbehaviour() {
                tracing::error!(log = origin, %refusal, "a log contradicts itself");
                self.keep_evidence(&request);
            } else {
                tracing::info!(log = origin, %refusal, "not cosigned");
            }
            return refused(refusal);
        }
        let before = request.checkpoint.note().signatures().len();
        let mut signed = request.checkpoint;
        let seconds = u64::try_from(now.0 / 1_000_000_000).unwrap_or(0);
        if signed.cosign(&self.key, seconds).is_err() {
            return failed();
        }
        // Persisted first: a cosignature that was handed out is never forgotten.
        if let Err(error) =
            write_private(&state_path(&self.dir, &origin), signed.to_string().as_bytes())
        {
            tracing::error!(%error, "a checkpoint could not be kept, so it is not cosigned");
            return failed();
        }
        last.insert(origin, signed.checkpoint().clone());
        let added = signed.note().signatures().iter().skip(before);
        let lines: Vec<String> = added.map(ToString::to_string).chain([String::new()]).collect();
        let body = lines.join("\n");
        Answer { status: 200, content_type: "text/plain; charset=utf-8", body }
    }

    /// Keeps a request that a log should never have signed.
    fn keep_evidence(&self, request: &AddCheckpoint) {
        let dir = self.dir.join("evidence");
        let text = request.to_string();
        let name = hex::encode(&Sha256::digest(&text)[..16]);
        let full = fs::read_dir(&dir).is_ok_and(|entries| entries.count() >= EVIDENCE_MAX);
        let kept = make_private_dir(&dir).and_then(|()| {
            if full { Ok(()) } else { write_private(&dir.join(name), text.as_bytes()) }
        });
        if let Err(error) = kept {
            tracing::error!(%error, "the evidence could not be kept");
        }
    }
}

/// Origins are free text; their digest is a file name.
fn state_path(dir: &Path, origin: &str) -> PathBuf {
    dir.join(format!("{}.checkpoint", hex::encode(&Sha256::digest(origin)[..16])))
}

fn refused(refusal: Refusal) -> Answer {
    let (content_type, body) = match refusal {
        Refusal::Conflict(size) | Refusal::Forked(size) => {
            ("text/x.tlog.size", format!("{size}\n"))
        }
        other => ("text/plain; charset=utf-8", format!("{other}\n")),
    };
    Answer { status: refusal.status(), content_type, body }
}

fn failed() -> Answer {
    Answer {
        status: 500,
        content_type: "text/plain; charset=utf-8",
        body: "try again\n".to_owned(),
    }
}

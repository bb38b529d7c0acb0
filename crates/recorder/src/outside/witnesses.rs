//! Asking witnesses to cosign (C2SP tlog-witness, the log's side).

use std::collections::HashMap;

use exhibit_ledger::{
    AddCheckpoint, SignedCheckpoint, VerifierKey,
    note::{Note, Signature},
    policy::Witness,
};
use exhibit_store::{Anchor, AnchorKind, LogId, StoredCheckpoint};

use super::Post;
use crate::{Error, Recorder};

const PLAIN: &str = "text/plain; charset=utf-8";
/// Longest answer of a witness that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// A witness may have been asked by somebody else meanwhile; more often than this is not normal.
const TURNS: usize = 3;

/// What a witness says to a request.
enum Answer {
    Cosigned(Signature),
    /// It cosigned this size last.
    Size(u64),
    /// It has seen another history.
    Contradiction(String),
    /// It cannot be asked, or does not want to.
    Failure(String),
}

impl Recorder {
    pub(super) async fn run_witnesses(&self, post: &dyn Post) {
        // What each witness cosigned last, as far as known.
        let mut known: HashMap<String, u64> = HashMap::new();
        let mut shown = 0;
        loop {
            let every = self.trusted().witness_every.max(std::time::Duration::from_millis(50));
            match self.show_to_witnesses(post, &mut known, shown).await {
                Ok(size) => shown = size,
                Err(error) => tracing::error!(%error, "witnesses could not be asked"),
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Shows the latest checkpoint to the witnesses that have not cosigned it. Gives the size that
    /// needs no further asking.
    async fn show_to_witnesses(
        &self,
        post: &dyn Post,
        known: &mut HashMap<String, u64>,
        shown: u64,
    ) -> Result<u64, Error> {
        let outside = self.trusted();
        let Some(policy) = &outside.policy else { return Ok(shown) };
        let Some(checkpoint) = self.store.checkpoint(LogId::Installation).await? else {
            return Ok(shown);
        };
        if checkpoint.size <= shown {
            return Ok(shown);
        }
        let failed = |error: &dyn std::fmt::Display| Error::Internal(error.to_string());
        let mut signed =
            SignedCheckpoint::parse(checkpoint.note.as_bytes()).map_err(|e| failed(&e))?;
        let asked = policy.witnesses.iter().filter_map(|w| Some((w, w.url.as_deref()?)));
        let answers = asked.map(|(witness, url)| {
            let old = known.get(&witness.name).copied().unwrap_or(0);
            self.ask(post, witness, url, &checkpoint, old)
        });
        let answers = futures_util::future::join_all(answers).await;
        let mut cosigned = 0;
        let mut all = true;
        for (name, answer) in answers {
            match answer? {
                Answer::Cosigned(signature) => {
                    signed.add(signature);
                    cosigned += 1;
                    known.insert(name.clone(), checkpoint.size);
                    let now = self.now();
                    self.note_witness(&name, |standing| standing.confirmed(checkpoint.size, now));
                }
                Answer::Contradiction(problem) => {
                    tracing::error!(witness = name, problem, "a witness contradicts this log");
                    self.note_witness(&name, |standing| {
                        standing.contradicts = true;
                        standing.failed(problem);
                    });
                    all = false;
                }
                Answer::Size(_) => all = false,
                Answer::Failure(problem) => {
                    tracing::warn!(witness = name, problem, "a witness did not cosign");
                    self.note_witness(&name, |standing| standing.failed(problem));
                    all = false;
                }
            }
        }
        if cosigned > 0 {
            let enough = policy.check(&signed).is_ok_and(|witnessed| witnessed.enough);
            self.store
                .put_anchor(Anchor {
                    kind: AnchorKind::Witnessed,
                    size: checkpoint.size,
                    name: String::new(),
                    note: signed.to_string(),
                    token: Vec::new(),
                    kept: self.now(),
                })
                .await?;
            if enough {
                self.eyes.status.lock().witnessed_size = Some(checkpoint.size);
            }
        }
        Ok(if all { checkpoint.size } else { shown })
    }

    async fn ask(
        &self,
        post: &dyn Post,
        witness: &Witness,
        url: &str,
        checkpoint: &StoredCheckpoint,
        mut old: u64,
    ) -> (String, Result<Answer, Error>) {
        let mut answer = Ok(Answer::Failure("it keeps changing its mind".to_owned()));
        for _ in 0..TURNS {
            answer = self.ask_once(post, witness, url, checkpoint, old).await;
            match &answer {
                Ok(Answer::Size(size)) => old = *size,
                _ => break,
            }
        }
        (witness.name.clone(), answer)
    }

    async fn ask_once(
        &self,
        post: &dyn Post,
        witness: &Witness,
        url: &str,
        checkpoint: &StoredCheckpoint,
        old: u64,
    ) -> Result<Answer, Error> {
        let size = checkpoint.size;
        let proof = if old == 0 || old == size {
            Vec::new()
        } else {
            self.consistency(LogId::Installation, old, size).await?.unwrap_or_default()
        };
        let signed = SignedCheckpoint::parse(checkpoint.note.as_bytes())
            .map_err(|error| Error::Internal(error.to_string()))?;
        let text = signed.note().text().to_owned();
        let request = AddCheckpoint { old, proof, checkpoint: signed }.to_string();
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let (status, body) = match post.post(&url, PLAIN, request.into_bytes()).await {
            Ok(answer) => answer,
            Err(problem) => return Ok(Answer::Failure(problem)),
        };
        Ok(match status {
            200 => match cosignature(&witness.key, &text, &body) {
                Some(signature) => Answer::Cosigned(signature),
                None => Answer::Failure("its answer holds no cosignature of its key".to_owned()),
            },
            409 => conflict(&body, old, size),
            422 => Answer::Contradiction(format!(
                "it has cosigned {old} entries that are not the first {old} of this log: one of the \
                 two was rewritten"
            )),
            404 => Answer::Failure("it does not watch this log; give it the log's key".to_owned()),
            403 => Answer::Failure("it knows another key for this log".to_owned()),
            status => Answer::Failure(format!("it answered with status {status}")),
        })
    }
}

/// What a conflict means: a size to go on from, or another history.
fn conflict(body: &[u8], old: u64, size: u64) -> Answer {
    let text =
        std::str::from_utf8(body.get(..ANSWER_BYTES_MAX.min(body.len())).unwrap_or_default());
    let seen: Option<u64> = text.ok().and_then(|text| text.trim_end().parse().ok());
    match seen {
        Some(seen) if seen > size => Answer::Contradiction(format!(
            "it has cosigned {seen} entries, the log has {size}: the log was taken back"
        )),
        Some(seen) if seen != old => Answer::Size(seen),
        _ => Answer::Contradiction(format!(
            "it has cosigned another root for {old} entries: the log has forked"
        )),
    }
}

/// The witness's cosignature in its answer, if it made one over this text.
fn cosignature(key: &VerifierKey, text: &str, body: &[u8]) -> Option<Signature> {
    let lines = std::str::from_utf8(body.get(..ANSWER_BYTES_MAX.min(body.len()))?).ok()?;
    let signatures = lines.lines().take(16).filter_map(|line| Signature::parse(line).ok());
    signatures.into_iter().find(|signature| {
        let Ok(mut note) = Note::new(text) else { return false };
        note.add(signature.clone());
        note.verify(std::slice::from_ref(key)).is_ok()
    })
}

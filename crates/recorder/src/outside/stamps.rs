//! Time stamps over checkpoints (RFC 3161).

use exhibit_evidence::stamp;
use exhibit_ledger::SignedCheckpoint;
use exhibit_store::{Anchor, AnchorKind, LogId, StoredCheckpoint};

use super::{Outside, Post};
use crate::{Error, Recorder};

const QUERY: &str = "application/timestamp-query";
/// How often it is looked whether a stamp is due.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);

impl Recorder {
    pub(super) async fn run_stamps(&self, post: &dyn Post) {
        let mut last: Option<tokio::time::Instant> = None;
        loop {
            let outside = self.trusted();
            let due = last.is_none_or(|at| at.elapsed() >= outside.stamp_every);
            if due && !outside.authorities.is_empty() {
                match self.stamp(post, &outside).await {
                    Ok(true) => last = Some(tokio::time::Instant::now()),
                    Ok(false) => {}
                    Err(error) => tracing::error!(%error, "a checkpoint could not be stamped"),
                }
            }
            tokio::time::sleep(LOOK.min(outside.stamp_every)).await;
        }
    }

    /// Has the latest checkpoint stamped by every authority; false when there is nothing new.
    async fn stamp(&self, post: &dyn Post, outside: &Outside) -> Result<bool, Error> {
        let Some(checkpoint) = self.store.checkpoint(LogId::Installation).await? else {
            return Ok(false);
        };
        let latest = self.store.latest_anchor(AnchorKind::Stamped).await?;
        if latest.is_some_and(|anchor| anchor.size >= checkpoint.size) {
            return Ok(false);
        }
        for url in &outside.authorities {
            match self.stamp_by(post, url, &checkpoint, outside).await {
                Ok(()) => {
                    let now = self.now();
                    self.note_authority(url, |standing| standing.confirmed(checkpoint.size, now));
                }
                Err(problem) => {
                    tracing::warn!(authority = host(url), problem, "no time stamp");
                    self.note_authority(url, |standing| standing.failed(problem));
                }
            }
        }
        Ok(true)
    }

    async fn stamp_by(
        &self,
        post: &dyn Post,
        url: &str,
        checkpoint: &StoredCheckpoint,
        outside: &Outside,
    ) -> Result<(), String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let signed = SignedCheckpoint::parse(checkpoint.note.as_bytes()).map_err(|e| words(&e))?;
        let text = signed.note().text().as_bytes();
        let mut nonce = [0; 8];
        self.entropy.fill(&mut nonce);
        let nonce = u64::from_be_bytes(nonce);
        let (status, body) = post.post(url, QUERY, stamp::request(text, nonce)).await?;
        if status != 200 {
            return Err(format!("it answered with status {status}"));
        }
        let token = stamp::token(&body).map_err(|e| words(&e))?;
        let read = if outside.roots.is_empty() {
            stamp::read(&token, text)
        } else {
            stamp::verify(&token, text, &outside.roots)
        };
        let read = read.map_err(|e| words(&e))?;
        let sent: Vec<u8> = nonce.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        if read.nonce.is_some_and(|nonce| nonce != sent) {
            return Err("it answered another request".to_owned());
        }
        let anchor = Anchor {
            kind: AnchorKind::Stamped,
            size: checkpoint.size,
            name: host(url).to_owned(),
            note: checkpoint.note.clone(),
            token,
            kept: self.now(),
        };
        self.store.put_anchor(anchor).await.map_err(|e| words(&e))
    }
}

/// The authority as people know it: URLs may hold credentials.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    rest.rsplit('@').next().unwrap_or(rest)
}

//! Outside eyes: checkpoints of the installation's log are shown to witnesses and dated by time-stamp
//! authorities, and what they answer is kept beside the log.
//!
//! Nothing here decides whether a record is accepted or shown: without any witness the recorder works
//! as before, and its verdicts say `unwitnessed`. A witness that contradicts us is never talked over:
//! its refusal is logged as an error and stays in [`OutsideStatus`] until it agrees again.

mod cover;
mod stamps;
mod witnesses;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use exhibit_evidence::stamp::Roots;
use exhibit_ledger::Policy;
use exhibit_model::Nanos;
use exhibit_store::{AnchorKind, LogId};
use parking_lot::Mutex;
use serde::Serialize;

use crate::{Error, Recorder};

pub use cover::{OutsideWord, StampWord, WitnessWord};

/// How often it is looked whether witnesses have cosigned.
const COSIGNED_LOOK: Duration = Duration::from_millis(100);
/// Longest that a bundle waits for them: clients give up on an answer that does not begin.
const COSIGNED_MAX: Duration = Duration::from_secs(15);

/// Whom to ask, and whom to believe.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// The witnesses and their quorum; those with a URL are asked.
    pub policy: Option<Policy>,
    /// Time between two questions to the witnesses.
    pub witness_every: Duration,
    /// URLs of time-stamp authorities.
    pub authorities: Vec<String>,
    /// Certificates that vouch for authorities; empty: tokens are kept, but their signers not checked.
    pub roots: Roots,
    /// Time between two stamps.
    pub stamp_every: Duration,
}

/// The way out to witnesses and authorities. Implemented where HTTP is known.
#[async_trait]
pub trait Post: Send + Sync + 'static {
    /// Posts a body; gives status and body of the answer, or in words why there is none.
    async fn post(
        &self,
        url: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), String>;
}

/// How it stands with one witness or authority.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The size of the installation's log that it confirmed last.
    pub size: u64,
    /// When that was, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What is wrong, in words; none while all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The problem is that it has seen another history of this log.
    pub contradicts: bool,
}

/// How it stands with all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OutsideStatus {
    /// Witnesses by name.
    pub witnesses: BTreeMap<String, Standing>,
    /// Time-stamp authorities by URL.
    pub authorities: BTreeMap<String, Standing>,
    /// The largest checkpoint whose quorum holds.
    pub witnessed_size: Option<u64>,
}

/// What the recorder holds about the outside.
#[derive(Default)]
pub(crate) struct Eyes {
    trust: Mutex<Arc<Outside>>,
    status: Mutex<OutsideStatus>,
    places: cover::Places,
    /// Witnesses are being asked, by this process.
    asking: AtomicBool,
}

impl Recorder {
    /// Sets whom to ask and whom to believe.
    pub fn trust(&self, outside: Outside) {
        *self.eyes.trust.lock() = Arc::new(outside);
    }

    /// Whom we ask and believe.
    pub(crate) fn trusted(&self) -> Arc<Outside> {
        Arc::clone(&self.eyes.trust.lock())
    }

    /// How it stands with witnesses and authorities.
    pub fn outside_status(&self) -> OutsideStatus {
        self.eyes.status.lock().clone()
    }

    /// Asks witnesses and authorities until `stop` becomes true.
    pub async fn run_outside(
        self: Arc<Self>,
        post: Arc<dyn Post>,
        mut stop: tokio::sync::watch::Receiver<bool>,
    ) {
        self.eyes.asking.store(true, Ordering::Relaxed);
        let asking = async { tokio::join!(self.run_witnesses(&*post), self.run_stamps(&*post)) };
        tokio::select! {
            _ = asking => {}
            () = async { while !*stop.borrow() { if stop.changed().await.is_err() { break } } } => {}
        }
    }

    /// Waits until enough witnesses have cosigned what the installation's log holds by now, for as long as
    /// they may need where they are asked and answer: what is made of the log before says less than it
    /// could.
    pub(crate) async fn cosigned(&self) -> Result<(), Error> {
        let outside = self.trusted();
        let asked = outside.policy.iter().flat_map(|policy| &policy.witnesses);
        if !asked.clone().any(|witness| witness.url.is_some())
            || !self.eyes.asking.load(Ordering::Relaxed)
        {
            return Ok(());
        }
        let Some(present) = self.store.checkpoint(LogId::Installation).await? else {
            return Ok(());
        };
        let longest = (outside.witness_every * 2).min(COSIGNED_MAX) + COSIGNED_LOOK * 10;
        for _ in 0..longest.as_millis() / COSIGNED_LOOK.as_millis() {
            let witnessed = self.store.latest_anchor(AnchorKind::Witnessed).await?;
            let status = self.outside_status();
            let silent = status.witnesses.values().all(|standing| standing.problem.is_some());
            if witnessed.is_some_and(|anchor| anchor.size >= present.size)
                || (silent && !status.witnesses.is_empty())
            {
                break;
            }
            tokio::time::sleep(COSIGNED_LOOK).await;
        }
        Ok(())
    }

    fn note_witness(&self, name: &str, change: impl FnOnce(&mut Standing)) {
        change(self.eyes.status.lock().witnesses.entry(name.to_owned()).or_default());
    }

    fn note_authority(&self, url: &str, change: impl FnOnce(&mut Standing)) {
        change(self.eyes.status.lock().authorities.entry(url.to_owned()).or_default());
    }
}

impl Standing {
    fn confirmed(&mut self, size: u64, at: Nanos) {
        *self = Self { size, at: Some(at.to_rfc3339()), problem: None, contradicts: false };
    }

    fn failed(&mut self, problem: String) {
        self.problem = Some(problem);
    }
}

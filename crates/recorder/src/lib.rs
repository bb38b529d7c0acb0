//! The use cases of Exhibit: the only room where capture, pricing, govern, ledger and store meet.
//!
//! Start at [`accept`](Recorder::accept): the one path by which anything is recorded. The clocks that
//! seal traces, mark stale spans and sign checkpoints run in [`Recorder::run`]. Reading is in
//! `read`, proofs in `verify`, people and keys in `account`, live view in `live`.
//!
//! This room knows no HTTP and no concrete store.

pub mod ablate;
mod accept;
mod account;
mod archive;
mod budget;
mod checkpoint;
mod complete;
mod compliance;
mod cores;
mod dead_letter;
mod decide;
mod drift;
mod error;
mod evidence;
mod export;
mod gap;
mod job;
mod keys;
mod live;
mod lock;
pub mod meters;
mod notes;
mod notice;
mod others;
mod outside;
mod proof;
pub mod proxy;
mod read;
mod remap;
pub mod replay;
mod reprice;
mod retention;
mod review;
mod rule_file;
mod rules;
mod sealing;
mod sequence;
mod simulate;
mod sink;
mod span_export;
mod succession;
mod system;
mod vault;
pub mod verify;
mod webhook;
mod within;
pub mod witness;

use std::sync::Arc;

use exhibit_model::{Clock, Entropy, Limits, Nanos};
use exhibit_store::Store;
use tokio::sync::{Notify, Semaphore};

pub use accept::{Accepted, Handling};
pub use account::{Caller, KeyPrefix, KeyRefusal, NewKey, SessionToken, Who};
pub use archive::{ArchiveReport, ArchiveRule, ArchiveStatus};
pub use budget::BudgetBurn;
pub use compliance::{Compliance, Duty};
pub use cores::Cores;
pub use decide::{Decided, Question, Step};
pub use drift::{
    Metric as DriftMetric, MetricDrift, PromptDrift, PromptShift, Shift as DriftShift,
    Windows as DriftWindows,
};
pub use error::Error;
pub use evidence::{BUNDLE_TRACES_MAX, Evidence, EvidenceQuery};
/// Reads a length of time such as `4h` or `-90d`; nanoseconds.
pub use exhibit_govern::duration;
pub use exhibit_govern::{RuleListing, RuleProblem};
pub use export::AuditTrail;
pub use gap::{Gap, GapOfSource};
pub use job::{
    Cap, Job, JobError, JobKind, JobState, NewAblation, NewReplay, OwnProvider, ProviderShown,
    Providers, REPEATS_MAX, RUNNING_MAX,
};
pub use keys::{HandOver, Kept, Keys, KeysError, hand_over, head_in_guard};
pub use live::{LiveEvent, LiveItem, LiveSpan, LiveStream};
pub use notice::{
    Courier, Lost,
    channel::{Channel, Security, Way},
};
pub use outside::{Outside, OutsideStatus, OutsideWord, Post, StampWord, Standing, WitnessWord};
pub use read::{Health, SpanDetail, SpanView};
pub use remap::Remapped;
pub use reprice::{ModelChange, Repriced};
pub use retention::{
    Certificate, Erase, Erased, Hold, NewHold, PRESETS, Preset, RetentionRule, RunReport,
};
pub use review::{BULK_MAX, ReviewAction, RulePrecision};
pub use rule_file::{RULE_FILE_BYTES_MAX, RuleFile, RuleFileRefusal, RuleOrigin};
pub use rules::{RuleSource, RulesError, RulesView, rule_warnings, try_rules};
pub use sealing::{Encrypted, MasterKey, MasterKeyError, PAYLOAD_KEYS, Sealing, SealingError};
pub use sequence::Sequence;
pub use simulate::{Sample, Simulated, SimulatedRule, SimulationProgress};
pub use sink::{Sink, SinkDocument, SinkName, SinkRule, SinkStanding, Unwritten};
pub use span_export::SpanExport;
pub use succession::SuccessionWord;
pub use system::{OsEntropy, SystemClock};
pub use webhook::{Delivery, DeliveryFault, check_delivery};
pub use within::{Hit, Phrase, SpanHits};

/// What a recorder is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The bounds.
    pub limits: Limits,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The installation's keys.
    pub keys: Arc<Keys>,
    /// Prices, detectors, policies.
    pub rules: RuleSource,
    /// Whether texts are handed to the store for full-text search.
    pub search: bool,
}

/// The recorder: share it as `Arc<Recorder>`.
pub struct Recorder {
    store: Arc<dyn Store>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    keys: Arc<Keys>,
    rules: rules::Rules,
    budgets: budget::Budgets,
    search: bool,
    vault: vault::Vault,
    live: live::Live,
    accounts: account::Recent,
    cores: cores::Cores,
    /// Proof makers hold a blocking thread while their reads need another: few at once, so that reads
    /// always find one.
    proving: Semaphore,
    eyes: outside::Eyes,
    /// Holds are placed and records taken away one after the other.
    keeping_turn: tokio::sync::Mutex<()>,
    courier: std::sync::OnceLock<Arc<dyn Courier>>,
    feed: sink::Feed,
    archive: std::sync::OnceLock<ArchiveRule>,
    jobs: job::Jobs,
    gaps: gap::Gaps,
    /// Tells the delivery clock that something is to be told.
    noticed: Notify,
    /// Opening reviews is background work; one batch at a time.
    following_up: Semaphore,
    /// Batches whose reviews are not open yet.
    to_follow_up: tokio::sync::watch::Sender<usize>,
    /// Tells the checkpoint clock that logs have grown.
    grown: Notify,
    meters: meters::Meters,
    started: Nanos,
}

impl Recorder {
    /// Puts the parts together. Refuses to start on a store that has been rolled back behind the
    /// last signed checkpoint (see the guard in `checkpoint`).
    pub async fn open(parts: Parts) -> Result<Arc<Self>, Error> {
        let recorder = Self::assemble(parts)?;
        recorder.check_guard().await?;
        recorder.settle_sealing().await?;
        recorder.settle_successions().await?;
        if !recorder.store.tombstones(exhibit_model::WorkspaceId::default(), &[]).await?.is_empty()
        {
            recorder.vault.note_tombstones();
        }
        recorder.ensure_default_workspace().await?;
        recorder.load_budgets().await?;
        recorder.record_rules("start").await?;
        recorder.replay_erasures().await?;
        Ok(recorder)
    }

    /// A recorder that only reads and verifies: it writes nothing, so the store may be read-only and
    /// another process may be writing to it. The rules in force elsewhere do not matter to it.
    pub async fn open_read_only(parts: Parts) -> Result<Arc<Self>, Error> {
        let recorder = Self::assemble(Parts { rules: RuleSource::default(), ..parts })?;
        recorder.check_guard().await?;
        recorder.check_sealing().await?;
        Ok(recorder)
    }

    fn assemble(parts: Parts) -> Result<Arc<Self>, Error> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let started = parts.clock.now();
        Ok(Arc::new(Self {
            vault: vault::Vault::new(&parts.keys),
            rules: rules::Rules::open(parts.rules, &parts.keys)?,
            budgets: budget::Budgets::default(),
            live: live::Live::new(parts.limits.live_backlog_max),
            accounts: account::Recent::default(),
            cores: cores::Cores::start(cores)?,
            proving: Semaphore::new(cores.max(2)),
            eyes: outside::Eyes::default(),
            keeping_turn: tokio::sync::Mutex::default(),
            courier: std::sync::OnceLock::new(),
            feed: sink::Feed::default(),
            archive: std::sync::OnceLock::new(),
            jobs: job::Jobs::default(),
            gaps: gap::Gaps::default(),
            noticed: Notify::new(),
            following_up: Semaphore::new(1),
            to_follow_up: tokio::sync::watch::Sender::new(0),
            grown: Notify::new(),
            store: parts.store,
            limits: parts.limits,
            clock: parts.clock,
            entropy: parts.entropy,
            keys: parts.keys,
            search: parts.search,
            meters: meters::Meters::default(),
            started,
        }))
    }

    /// Threads for work that keeps a core busy.
    pub fn cores(&self) -> &Cores {
        &self.cores
    }

    /// What this process has done so far.
    pub fn meters(&self) -> &meters::Meters {
        &self.meters
    }

    /// How store and sink are, as far as they know without asking.
    pub fn gauges(&self) -> Vec<exhibit_store::Gauge> {
        let mut gauges = self.store.gauges();
        gauges.extend(self.feed.gauges(self.started, self.now()));
        gauges
    }

    /// The bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The present time.
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// The randomness in use.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// The store, for callers that only read.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Runs the clocks until `stop` becomes true, then signs a last checkpoint.
    pub async fn run(self: Arc<Self>, mut stop: tokio::sync::watch::Receiver<bool>) {
        self.load_gaps().await;
        let clocks = async {
            tokio::join!(
                self.run_completion(),
                self.run_checkpoints(),
                self.run_rule_reload(),
                self.run_key_touches(),
                self.run_budgets(),
                self.run_gaps(),
                self.run_reviews(),
                self.run_retention_clock(),
                self.run_deliveries()
            )
        };
        tokio::select! {
            _ = clocks => {}
            () = async { while !*stop.borrow() { if stop.changed().await.is_err() { break } } } => {}
        }
        // The clock may have been stopped between publishing a head and signing it.
        let last = async {
            self.publish_checkpoints().await?;
            self.sign_published().await
        };
        if let Err(error) = last.await {
            tracing::error!(%error, "the last checkpoint could not be signed");
        }
        self.flush_key_touches().await;
        self.save_budgets().await;
        self.save_gaps().await;
    }
}

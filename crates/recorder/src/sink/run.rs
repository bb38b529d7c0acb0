//! Following the log.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use exhibit_capture::Rejected;
use exhibit_model::{Nanos, TraceId};
use exhibit_store::{LogId, StoredAct};

use super::{
    SinkDocument, SinkName, SinkRule,
    standing::{Mark, standing},
};
use crate::{Error, Recorder, account::act::Act};

/// How often the log is looked at while nothing is behind.
const TICK: Duration = Duration::from_secs(1);
/// Pauses after failures: each twice as long as the one before.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// Traces asked for at once.
const TRACES: usize = 200;
/// Spans of a trace that its document may show.
const SPANS: usize = 200;
/// Documents written at once: so many, or about so many bytes.
const DOCUMENTS: usize = 100;
const DOCUMENT_BYTES: usize = 4 << 20;
/// Names removed at once, and acts read at once.
const NAMES: usize = 500;
const ACTS: usize = 500;
/// While the log grows by what concerns no sink, the mark is kept this often.
const KEEP_EVERY_NS: i64 = 30_000_000_000;
/// The door under which refused documents stand among the dead letters.
const DOOR: &str = "sink";

/// Why a pass ended early.
enum Halt {
    /// The place did not take something.
    Place(String),
    /// The store failed.
    Own(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

impl From<exhibit_store::StoreError> for Halt {
    fn from(error: exhibit_store::StoreError) -> Self {
        Self::Own(error.into())
    }
}

impl Recorder {
    /// Feeds a sink until `stop` becomes true.
    pub async fn run_sink(
        self: Arc<Self>,
        rule: SinkRule,
        mut stop: tokio::sync::watch::Receiver<bool>,
    ) {
        let mut follower = Follower::new(self, rule);
        tokio::select! {
            () = follower.follow() => {}
            () = async { while !*stop.borrow() { if stop.changed().await.is_err() { break } } } => {}
        }
    }

    /// Brings a sink up to date once. False: the place did not take something; why, stands in
    /// [`sink_standing`](Self::sink_standing).
    ///
    /// # Errors
    /// The store fails.
    pub async fn fill_sink(self: &Arc<Self>, rule: &SinkRule) -> Result<bool, Error> {
        let mut follower = Follower::new(Arc::clone(self), rule.clone());
        loop {
            let done = match follower.pass().await {
                Ok(true) => continue,
                Ok(false) => true,
                Err(Halt::Place(problem)) => {
                    follower.mark.failed(self.now(), &problem);
                    false
                }
                Err(Halt::Own(error)) => return Err(error),
            };
            follower.keep().await?;
            return Ok(done);
        }
    }
}

/// Follows one log for one sink.
struct Follower {
    recorder: Arc<Recorder>,
    rule: SinkRule,
    mark: Mark,
    /// The mark as it is kept.
    bytes: Option<Vec<u8>>,
    /// When it was kept last.
    kept: Option<Nanos>,
}

impl Follower {
    fn new(recorder: Arc<Recorder>, rule: SinkRule) -> Self {
        Self { recorder, rule, mark: Mark::default(), bytes: None, kept: None }
    }

    fn setting(&self) -> String {
        self.recorder.sink_setting(self.rule.workspace, &self.rule.place)
    }

    async fn size(&self) -> Result<u64, Error> {
        Ok(self.recorder.store.head(LogId::Workspace(self.rule.workspace)).await?.size)
    }

    fn show(&self, size: u64) {
        self.recorder.feed.show(standing(&self.mark, &self.rule.place, size));
    }

    async fn follow(&mut self) {
        let place = self.rule.place.clone();
        let mut pause = PAUSES.0;
        let mut greeted = false;
        loop {
            let begun = Instant::now();
            // A wrong address or password shows at the start, not with the first trace.
            let answers =
                if greeted { Ok(()) } else { self.rule.sink.greet().await.map_err(Halt::Place) };
            let passed = match answers {
                Ok(()) => self.pass().await,
                Err(halt) => self.adopt().await.map_err(Halt::Own).and(Err(halt)),
            };
            let problem = match passed {
                Ok(more) => {
                    (greeted, pause) = (true, PAUSES.0);
                    // Catching up takes half the time of one thread at most.
                    let rest = if more { begun.elapsed().min(TICK) } else { TICK };
                    tokio::time::sleep(rest).await;
                    continue;
                }
                Err(Halt::Place(problem)) => problem,
                Err(Halt::Own(error)) => format!("what is to be written cannot be read: {error}"),
            };
            if self.mark.problem.is_none() {
                tracing::warn!(%place, %problem, "the sink takes nothing; it will be tried again");
            }
            self.mark.failed(self.recorder.now(), &problem);
            if let Err(error) = self.keep().await {
                tracing::debug!(%error, "the mark of the sink was not kept");
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(PAUSES.1);
        }
    }

    /// Takes up the mark that is kept, where it is not the one at hand: this is the beginning, or another
    /// node came further.
    async fn adopt(&mut self) -> Result<(), Error> {
        let kept = self.recorder.store.setting(&self.setting()).await?;
        if kept != self.bytes {
            let mark = kept.as_deref().map(serde_json::from_slice).transpose();
            self.mark = mark.ok().flatten().unwrap_or_default();
            self.bytes = kept;
        }
        Ok(())
    }

    /// Takes the log a piece further; whether there is more.
    async fn pass(&mut self) -> Result<bool, Halt> {
        self.adopt().await?;
        let begun = self.recorder.now();
        let size = self.size().await?;
        let before = self.mark.clone();
        let from = before.next;
        if from > size {
            let place = &self.rule.place;
            tracing::warn!(%place, "the log is shorter than the sink knew it; it is filled anew");
            self.mark.next = 0;
            self.keep().await?;
            return Ok(true);
        }
        if from < size {
            let workspace = self.rule.workspace;
            let sealed = self.recorder.store.sealed_from(workspace, from, TRACES).await?;
            if sealed.next <= from {
                // Another node does this.
                self.show(size);
                return Ok(false);
            }
            for some in sealed.rows.chunks(DOCUMENTS) {
                self.write(some.iter().map(|row| &row.summary.trace_id)).await?;
            }
            // After the writing: what was erased while it was on its way stands at `next` or later, and
            // goes in the next pass.
            self.remove_erased(from, sealed.next).await?;
            self.mark.next = sealed.next;
        }
        if self.mark.next >= size {
            self.mark.complete = Some(begun);
        }
        if self.mark.problem.take().is_some() {
            tracing::info!(place = %self.rule.place, "the sink takes documents again");
        }
        let idle = Mark { next: before.next, complete: before.complete, ..self.mark.clone() };
        let due = self.kept.is_none_or(|at| begun.0.saturating_sub(at.0) >= KEEP_EVERY_NS);
        if idle != before || (due && self.mark.next != before.next) {
            self.keep().await?;
        } else {
            self.show(size);
        }
        Ok(self.mark.next < size)
    }

    /// Keeps the mark, unless another node has kept another meanwhile.
    async fn keep(&mut self) -> Result<(), Error> {
        self.show(self.size().await?);
        let bytes = serde_json::to_vec(&self.mark).map_err(|e| Error::Internal(e.to_string()))?;
        if self.bytes.as_ref() == Some(&bytes) {
            return Ok(());
        }
        let (name, expected) = (self.setting(), self.bytes.as_deref());
        if self.recorder.store.swap_setting(&name, expected, Some(&bytes)).await? {
            self.bytes = Some(bytes);
            self.kept = Some(self.recorder.now());
        }
        Ok(())
    }

    /// Writes the documents of traces, as many at a time as are worth a round trip.
    async fn write(&mut self, traces: impl Iterator<Item = &TraceId> + Send) -> Result<(), Halt> {
        let workspace = self.rule.workspace;
        let (mut documents, mut bytes) = (Vec::new(), 0);
        for trace in traces {
            // What a reader without special rights sees; none when it was erased in between.
            let found = self.recorder.trace_with_spans(workspace, trace, SPANS).await?;
            let Some((row, spans)) = found else { continue };
            let name = self.recorder.tombstone(workspace, trace);
            match self.rule.sink.encode(&name, &row, &spans) {
                Ok(encoded) => {
                    bytes += encoded.len();
                    documents.push(SinkDocument { name, trace: trace.clone(), bytes: encoded });
                }
                Err(reason) => self.refused(trace, &reason).await,
            }
            if bytes >= DOCUMENT_BYTES {
                self.flush(&mut documents).await?;
                bytes = 0;
            }
        }
        self.flush(&mut documents).await
    }

    async fn flush(&mut self, documents: &mut Vec<SinkDocument>) -> Result<(), Halt> {
        if documents.is_empty() {
            return Ok(());
        }
        let unwritten = self.rule.sink.write(documents).await.map_err(Halt::Place)?;
        self.mark.written += documents.len().saturating_sub(unwritten.len()) as u64;
        for one in unwritten {
            if let Some(document) = documents.get(one.index) {
                self.refused(&document.trace, &one.reason).await;
            }
        }
        documents.clear();
        Ok(())
    }

    /// Notes a document that the place will never take, where people look for such things.
    async fn refused(&mut self, trace: &TraceId, reason: &str) {
        self.mark.refused += 1;
        let refused = Rejected {
            index: 0,
            pointer: String::new(),
            reason: format!("{} refuses its document: {reason}", self.rule.place),
            span_id: None,
            trace_id: Some(trace.to_string()),
            body: None,
        };
        self.recorder.bury(self.rule.workspace, DOOR, &[refused]).await;
    }

    /// Removes the documents of traces whose erasure stands in a range of the log.
    async fn remove_erased(&mut self, from: u64, to: u64) -> Result<(), Halt> {
        let mut next = from;
        while next < to {
            let acts = self.recorder.store.audit_acts(self.rule.workspace, next, ACTS).await?;
            let Some(last) = acts.last() else { return Ok(()) };
            next = last.index.saturating_add(1);
            for act in acts.iter().filter(|act| act.index < to) {
                if !matches!(serde_json::from_slice(&act.body), Ok(Act::Erased { .. })) {
                    continue;
                }
                let names = self.erased_names(act).await?;
                for some in names.chunks(NAMES) {
                    self.rule.sink.remove(some).await.map_err(Halt::Place)?;
                }
                self.mark.removed += names.len() as u64;
            }
        }
        Ok(())
    }

    /// The names in an act of erasure, read against its leaf.
    async fn erased_names(&self, act: &StoredAct) -> Result<Vec<SinkName>, Error> {
        let log = LogId::Workspace(self.rule.workspace);
        let leaves = self.recorder.store.leaves(log, act.index, act.index + 1).await?;
        let read = self.recorder.read_act(act, leaves.first().map(Vec::as_slice));
        let Some(Act::Erased { erased }) = read else {
            return Err(Error::Internal("an act is not the one that was sealed".into()));
        };
        let names = erased.traces.iter().filter_map(|name| hex::decode(name).ok()?.try_into().ok());
        Ok(names.collect())
    }
}

//! Evidence bundles: a selection of traces with everything that proves them, written as a stream.
//!
//! The checkpoint is pinned first; what comes later is left out and counted. Records are read trace
//! by trace, so memory does not grow with them; their places in the log are kept, for the cover.

mod erasures;
mod tell;

use std::{collections::HashSet, io::Write, sync::Arc};

use exhibit_evidence::{
    BundleWriter, LogHead, PartLine, RecordLine, Selection, cover,
    line::{ConsistencyProof, HeadProof, SEAL_PART, SPAN_PARTS, StampProof},
    manifest::{PYTHON_VERIFIER, README},
    report::{Draft, ReportSpan, ReportTrace, SPANS_MAX, TRACES_MAX, html, pdf},
};
use exhibit_ledger::{
    Hash, Leaf, LeafKind, PartKey, RecordId, SignedCheckpoint, consistency_proof, inclusion_proof,
    proof::Prover,
};
use exhibit_model::{TraceId, Workspace};
use exhibit_store::{
    AnchorKind, AuditTrace, Filter, LogId, Order, StoredCheckpoint, StoredSpan, TraceQuery,
};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::runtime::Handle;

use crate::{Error, Recorder, accept::decode, lock};

use erasures::Erasures;
use tell::{Summaries, answered, asked};

/// Traces of one bundle, unless fewer are asked for.
pub const BUNDLE_TRACES_MAX: usize = 1_000_000;
/// Leaves read at once; a gap shorter than [`GAP`] is read along with its neighbours.
const LEAVES: u64 = 4_096;
const GAP: u64 = 64;
/// Traces that are read ahead of the one that is being written.
const READ_AHEAD: usize = 4;
/// Time stamps of one bundle.
const STAMPS_MAX: usize = 4;
/// How long an export waits for what was just recorded to be signed.
const SETTLE_STEPS: u32 = 20;

/// What a bundle shall hold.
#[derive(Debug, Clone, Default)]
pub struct EvidenceQuery {
    /// One trace.
    pub trace: Option<TraceId>,
    /// Else the traces that this filter finds; empty for all.
    pub filter: String,
    /// Names of parts to show by their hash only.
    pub withheld: Vec<String>,
    /// A checkpoint from which the log shall be shown to continue.
    pub since: Option<String>,
    /// Continue a series of bundles here.
    pub cursor: Option<String>,
    /// Most traces of this bundle.
    pub limit: Option<usize>,
}

/// A trace that is about to be written.
struct ReadTrace {
    stored: AuditTrace,
    /// The same with what is locked opened.
    opened: AuditTrace,
    /// Which of its records only reviewers may read.
    quarantined: HashSet<exhibit_model::RecordId>,
}

/// A bundle that is ready to be written.
pub struct Evidence {
    recorder: Arc<Recorder>,
    workspace: Workspace,
    query: EvidenceQuery,
    traces: Vec<TraceId>,
    next: Option<String>,
    checkpoint: StoredCheckpoint,
}

impl Recorder {
    /// Finds the traces of a bundle and pins the checkpoint. The export is a leaf of the log before
    /// anything is handed out.
    ///
    /// # Errors
    /// A filter, part or checkpoint that does not read; no such trace; nothing sealed yet.
    pub async fn evidence(
        self: &Arc<Self>,
        workspace: &Workspace,
        query: EvidenceQuery,
    ) -> Result<Evidence, Error> {
        let known = |name: &String| SPAN_PARTS.contains(&&**name);
        if let Some(name) = query.withheld.iter().find(|name| !known(name)) {
            let message = format!("`{name}` is not a part; parts are {}", SPAN_PARTS.join(", "));
            return Err(Error::Invalid { field: "withhold", message });
        }
        if let Some(note) = &query.since {
            let signed = SignedCheckpoint::parse(note.as_bytes());
            let origin = self.log_origin(LogId::Workspace(workspace.id));
            if signed.as_ref().map_or(true, |s| self.present_name(&s.checkpoint().origin) != origin)
            {
                let message = format!("this is not a checkpoint of the log {origin}");
                return Err(Error::Invalid { field: "since_checkpoint", message });
            }
        }
        self.note_export(workspace, "evidence").await?;
        let checkpoint = self.settled_checkpoint(LogId::Workspace(workspace.id)).await?;
        self.cosigned().await?;
        let (traces, next) = match (self.found(workspace, &query).await, &query.trace) {
            // What is left of it is the certificate, which is evidence too.
            (Err(Error::NotFound), Some(id))
                if self.certificate(workspace.id, id).await?.is_some() =>
            {
                (Vec::new(), None)
            }
            (found, _) => found?,
        };
        let (recorder, workspace) = (Arc::clone(self), workspace.clone());
        Ok(Evidence { recorder, workspace, query, traces, next, checkpoint })
    }

    /// The traces that a query means.
    ///
    /// # Errors
    /// A filter that does not read; no such trace.
    pub(crate) async fn traces_of(
        &self,
        workspace: &Workspace,
        query: &EvidenceQuery,
    ) -> Result<Vec<TraceId>, Error> {
        self.found(workspace, query).await.map(|(traces, _)| traces)
    }

    /// The same, and where the next ones begin.
    pub(crate) async fn found(
        &self,
        workspace: &Workspace,
        query: &EvidenceQuery,
    ) -> Result<(Vec<TraceId>, Option<String>), Error> {
        let Some(id) = &query.trace else { return self.selected(workspace, query).await };
        let row = self.store.trace(workspace.id, id).await?.ok_or(Error::NotFound)?;
        Ok((vec![row.summary.trace_id.clone()], None))
    }

    /// The latest checkpoint, once it covers what has been recorded so far.
    async fn settled_checkpoint(&self, log: LogId) -> Result<StoredCheckpoint, Error> {
        let size = self.store.head(log).await?.size;
        let step = std::time::Duration::from_millis(self.limits.checkpoint_interval_ms / 2 + 10);
        for _ in 0..SETTLE_STEPS {
            match self.store.checkpoint(log).await? {
                Some(checkpoint) if checkpoint.size >= size => return Ok(checkpoint),
                _ => tokio::time::sleep(step).await,
            }
        }
        let none = || Error::Invalid {
            field: "selection",
            message: "nothing of this workspace has been signed yet; ask again in a moment".into(),
        };
        self.store.checkpoint(log).await?.ok_or_else(none)
    }

    async fn selected(
        &self,
        workspace: &Workspace,
        query: &EvidenceQuery,
    ) -> Result<(Vec<TraceId>, Option<String>), Error> {
        let filter = Filter::parse(&query.filter, self.now()).map_err(|error| Error::Filter {
            position: error.position,
            message: error.to_string(),
        })?;
        let most = query.limit.unwrap_or(BUNDLE_TRACES_MAX).clamp(1, BUNDLE_TRACES_MAX);
        let mut after = query.cursor.clone();
        let mut traces = Vec::new();
        loop {
            let limit = (most - traces.len()).min(1_000);
            let filter = filter.clone();
            let query = TraceQuery { filter, order: Order::Oldest, after, limit };
            let page = self.store.traces(workspace.id, &query).await?;
            traces.extend(page.rows.iter().map(|row| row.summary.trace_id.clone()));
            after = page.next;
            if after.is_none() || traces.len() >= most {
                return Ok((traces, after));
            }
        }
    }

    /// Enters an export into the log of the workspace.
    pub(crate) async fn note_export(&self, workspace: &Workspace, what: &str) -> Result<(), Error> {
        self.record_act(workspace.id, LeafKind::Export, &[("format", what.to_owned())]).await
    }
}

impl Evidence {
    /// How many traces it holds.
    pub fn traces(&self) -> usize {
        self.traces.len()
    }

    /// Where the next bundle of the series begins.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// Size of the log under the pinned checkpoint.
    pub fn tree_size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Writes the bundle. Only for blocking threads: it waits for the store.
    ///
    /// # Errors
    /// The store fails, or nobody reads any more.
    pub fn write(self, out: impl Write, runtime: &Handle) -> Result<(), Error> {
        let head = self.log_head();
        let trace_id = self.query.trace.as_ref().map(ToString::to_string);
        let filter =
            Some(self.query.filter.clone()).filter(|f| trace_id.is_none() && !f.is_empty());
        let selection = Selection {
            workspace: self.workspace.public_id.clone(),
            trace_id,
            filter,
            withheld: self.query.withheld.clone(),
        };
        let created = self.recorder.now().to_rfc3339();
        let mut draft = Draft {
            created: created.clone(),
            log: head.clone(),
            key: self.recorder.verifier_key(self.log())?,
            selection: selection.clone(),
            counts: exhibit_evidence::Counts::default(),
            traces: Vec::new(),
            erasures: Vec::new(),
        };
        let mut bundle = BundleWriter::new(out, head, selection, created);
        bundle.file("README.txt", README).map_err(closed)?;
        bundle.file("verifier/exhibit_verify.py", PYTHON_VERIFIER).map_err(closed)?;
        self.heads(&mut bundle, runtime)?;
        let mut places = Vec::new();
        let mut summaries = Summaries::default();
        let mut spans_told = 0;
        // The next traces are read while one is written.
        let mut traces = stream::iter(&self.traces).map(|id| self.read(id)).buffered(READ_AHEAD);
        while let Some(read) = runtime.block_on(traces.next()) {
            // One that was retained or erased in between is gone, as it should be.
            let Some(trace) = read? else { continue };
            let told = self.trace(&trace.opened, &trace.quarantined, &mut bundle, &mut places)?;
            if !told {
                continue;
            }
            bundle.counts().traces += 1;
            // Summaries quote headers, inputs and outputs.
            if self.query.withheld.is_empty() {
                summaries.add(&trace.stored, &mut bundle)?;
            }
            if draft.traces.len() < TRACES_MAX {
                let one = self.report_trace(&trace.stored, &mut spans_told);
                draft.traces.push(one);
            }
        }
        summaries.flush(&mut bundle)?;
        // After the traces: whatever was not there any more is among them.
        let erasures = self.erasures(runtime)?;
        erasures.write(&self, &mut bundle, &mut places)?;
        draft.erasures = erasures.told();
        self.cover(&mut bundle, places, &erasures, runtime)?;
        let rules = self.recorder.rules();
        let files =
            rules.files.iter().map(|(name, digest)| json!({ "name": name, "sha256": digest }));
        let rules = json!({ "hash": rules.hash, "files": files.collect::<Vec<_>>() });
        bundle.file("rules.json", rules.to_string()).map_err(closed)?;
        draft.counts = bundle.counts().clone();
        let document = draft.document();
        bundle.file("report.html", html(&document)).map_err(closed)?;
        bundle.file("report.pdf", pdf(&document)).map_err(closed)?;
        let signer = self.recorder.log_signer(self.log())?;
        bundle.finish(&signer).map_err(closed)?;
        Ok(())
    }

    async fn read(&self, id: &TraceId) -> Result<Option<ReadTrace>, Error> {
        let trace = self.recorder.store.audit_trace(self.workspace.id, id).await?;
        let Some(stored) = trace else { return Ok(None) };
        stored.whole()?;
        let mut opened = stored.clone();
        let quarantined = self.recorder.unlock_trace(self.workspace.id, &mut opened).await?;
        Ok(Some(ReadTrace { stored, opened, quarantined }))
    }

    fn log(&self) -> LogId {
        LogId::Workspace(self.workspace.id)
    }

    fn log_head(&self) -> LogHead {
        LogHead {
            origin: self.recorder.log_origin(self.log()),
            size: self.checkpoint.size,
            root: hex::encode(self.checkpoint.root),
        }
    }

    /// Keys, checkpoints, and the way from the workspace's head up to the installation's.
    fn heads(&self, bundle: &mut BundleWriter<impl Write>, runtime: &Handle) -> Result<(), Error> {
        let recorder = &self.recorder;
        let missing = || Error::Internal("the installation's log does not state this head".into());
        let above = runtime.block_on(recorder.store.checkpoint(LogId::Installation))?;
        let above = above.ok_or_else(missing)?;
        let (index, leaf) = self.find_head(above.size, runtime)?.ok_or_else(missing)?;
        // What witnesses have cosigned says more than what nobody has.
        let witnessed = recorder.store.latest_anchor(AnchorKind::Witnessed);
        let witnessed = runtime.block_on(witnessed)?.filter(|anchor| anchor.size > index);
        let (size, note) =
            witnessed.map_or((above.size, above.note), |anchor| (anchor.size, anchor.note));
        self.stamps(bundle, index, runtime)?;
        let path = self.path_of(index, size, runtime)?;
        let proof = path.iter().map(Hash::to_base64).collect();
        let head = serde_json::to_vec(&HeadProof { index, leaf, proof }).unwrap_or_default();
        let key = |log| Ok::<_, Error>(recorder.verifier_key(log)? + "\n");
        for (name, content) in [
            ("keys/log.vkey", key(self.log())?.into_bytes()),
            ("keys/installation.vkey", key(LogId::Installation)?.into_bytes()),
            ("checkpoints/log", self.checkpoint.note.clone().into_bytes()),
            ("checkpoints/installation", note.into_bytes()),
            ("checkpoints/head.json", head),
        ] {
            bundle.file(name, content).map_err(closed)?;
        }
        let successions = recorder.succession_notes();
        if !successions.is_empty() {
            let notes = serde_json::to_vec(&successions).unwrap_or_default();
            bundle.file("keys/successions.json", notes).map_err(closed)?;
        }
        self.consistency(bundle, runtime)
    }

    /// Inclusion proof of a leaf of the installation's log.
    fn path_of(&self, index: u64, size: u64, runtime: &Handle) -> Result<Vec<Hash>, Error> {
        let proof = self
            .recorder
            .with_hashes(LogId::Installation, move |hashes| inclusion_proof(hashes, index, size));
        runtime.block_on(proof)?.map_err(|error| Error::Internal(error.to_string()))
    }

    /// The first time stamps over the head, each with the text that it is over and the proof that the head
    /// stands there.
    fn stamps(
        &self,
        bundle: &mut BundleWriter<impl Write>,
        index: u64,
        runtime: &Handle,
    ) -> Result<(), Error> {
        let stamps = self.recorder.store.anchors(AnchorKind::Stamped, index + 1, STAMPS_MAX);
        for (number, anchor) in (1..).zip(runtime.block_on(stamps)?) {
            let signed = SignedCheckpoint::parse(anchor.note.as_bytes())
                .map_err(|error| Error::Internal(error.to_string()))?;
            let text = signed.note().text().as_bytes();
            for (ending, content) in
                [("tst", &*anchor.token), ("txt", text), ("checkpoint", anchor.note.as_bytes())]
            {
                bundle.file(&format!("timestamps/{number}.{ending}"), content).map_err(closed)?;
            }
            let path = self.path_of(index, anchor.size, runtime)?;
            let proof = StampProof { proof: path.iter().map(Hash::to_base64).collect() };
            let proof = serde_json::to_vec(&proof).unwrap_or_default();
            bundle.file(&format!("timestamps/{number}.json"), proof).map_err(closed)?;
        }
        Ok(())
    }

    /// The proof that the log only grew since the auditor's checkpoint.
    fn consistency(
        &self,
        bundle: &mut BundleWriter<impl Write>,
        runtime: &Handle,
    ) -> Result<(), Error> {
        let Some(note) = &self.query.since else { return Ok(()) };
        let Ok(old) = SignedCheckpoint::parse(note.as_bytes()) else { return Ok(()) };
        let (old, new) = (old.checkpoint().clone(), self.checkpoint.size);
        if old.size == 0 || old.size >= new {
            return Ok(());
        }
        let size = old.size;
        let path = runtime
            .block_on(
                self.recorder
                    .with_hashes(self.log(), move |hashes| consistency_proof(hashes, size, new)),
            )?
            .map_err(|error| Error::Internal(error.to_string()))?;
        let proof = ConsistencyProof {
            old_size: size,
            old_root: old.root.to_hex(),
            proof: path.iter().map(Hash::to_base64).collect(),
        };
        let proof = serde_json::to_vec(&proof).unwrap_or_default();
        bundle.file("checkpoints/consistency.json", proof).map_err(closed)
    }

    /// The leaf of the installation's log that states the pinned head; the newest are looked at first.
    fn find_head(&self, size: u64, runtime: &Handle) -> Result<Option<(u64, String)>, Error> {
        let head = self.log_head();
        let stated = head.size.to_string();
        let mut to = size;
        while to > 0 {
            let from = to.saturating_sub(LEAVES);
            let leaves = self.recorder.store.leaves(LogId::Installation, from, to);
            let leaves = runtime.block_on(leaves)?;
            for (offset, bytes) in leaves.into_iter().enumerate().rev() {
                let index = from + offset as u64;
                let Ok(leaf) = Leaf::parse(&bytes) else { continue };
                let fact = |name: &str| leaf.facts.get(name);
                let same = leaf.kind == LeafKind::Head
                    && fact("log") == Some(&head.origin)
                    && fact("size") == Some(&stated)
                    && fact("root") == Some(&head.root);
                if same {
                    let text = String::from_utf8(bytes);
                    return text
                        .map(|t| Some((index, t)))
                        .map_err(|e| Error::Internal(e.to_string()));
                }
            }
            to = from;
        }
        Ok(None)
    }

    /// Writes a trace's records; false when none of them is under the checkpoint.
    fn trace(
        &self,
        trace: &AuditTrace,
        quarantined: &HashSet<exhibit_model::RecordId>,
        bundle: &mut BundleWriter<impl Write>,
        places: &mut Vec<u64>,
    ) -> Result<bool, Error> {
        let id = &trace.row.summary.trace_id;
        let key = self.recorder.vault.part_key(self.workspace.id, id, &trace.row.key)?;
        let current = trace
            .spans
            .iter()
            .map(|(row, stored)| (row.head.span_id.as_str().to_owned(), stored, false));
        let superseded =
            trace.superseded.iter().map(|(id, stored)| (id.as_str().to_owned(), stored, true));
        let before = places.len();
        for (span_id, stored, superseded) in current.chain(superseded) {
            let Some(index) = stored.index.filter(|index| *index < self.checkpoint.size) else {
                bundle.counts().pending += 1;
                continue;
            };
            // A reviewer had it redacted or erased: nobody can say what its parts were.
            let is_cleared = lock::is_locked(stored);
            if is_cleared && !superseded {
                continue;
            }
            let is_withheld = quarantined.contains(&stored.record);
            let record = RecordId(stored.record.0);
            let parts = SPAN_PARTS.iter().zip(&stored.parts).zip(0..).filter(|_| !is_cleared);
            let line = RecordLine {
                trace_id: id.as_str().into(),
                span_id: Some(span_id.into()),
                kind: LeafKind::Span.as_str().into(),
                superseded,
                index,
                record: record.to_string().into(),
                parts: parts
                    .map(|((name, bytes), part)| {
                        if is_withheld {
                            PartLine::withheld(name, &key, &record, part, bytes)
                        } else {
                            self.part(name, &key, record, part, bytes)
                        }
                    })
                    .collect(),
            };
            bundle.record(&line).map_err(closed)?;
            places.push(index);
        }
        for seal in trace.seals.iter().filter(|seal| seal.index < self.checkpoint.size) {
            let record = RecordId(seal.record.0);
            let line = RecordLine {
                trace_id: id.as_str().into(),
                span_id: None,
                kind: LeafKind::TraceSeal.as_str().into(),
                superseded: false,
                index: seal.index,
                record: record.to_string().into(),
                parts: vec![PartLine::shown(SEAL_PART, &key, &record, 0, &seal.body)],
            };
            bundle.record(&line).map_err(closed)?;
            places.push(seal.index);
        }
        Ok(places.len() > before)
    }

    fn part<'p>(
        &self,
        name: &'p str,
        key: &PartKey,
        record: RecordId,
        part: u8,
        bytes: &'p [u8],
    ) -> PartLine<'p> {
        if self.query.withheld.iter().any(|withheld| withheld == name) {
            PartLine::withheld(name, key, &record, part, bytes)
        } else {
            PartLine::shown(name, key, &record, part, bytes)
        }
    }

    fn report_trace(&self, trace: &AuditTrace, told: &mut usize) -> ReportTrace {
        let mut spans: Vec<&StoredSpan> = trace.spans.iter().map(|(_, stored)| stored).collect();
        spans.truncate(SPANS_MAX.saturating_sub(*told));
        let shown = |name: &str| !self.query.withheld.iter().any(|withheld| withheld == name);
        let spans = spans.into_iter().filter_map(|stored| {
            let (index, hash) = (stored.index?, stored.leaf_hash?);
            let span = decode(stored).ok()?;
            let content = exhibit_capture::content(&span);
            let (input, output) = (asked(&content), answered(&content));
            let leaf = (Hash(hash), index);
            let (input, output) =
                (input.filter(|_| shown("input")), output.filter(|_| shown("output")));
            shown("header").then_some(ReportSpan { span, input, output, leaf })
        });
        let mut spans: Vec<ReportSpan> = spans.collect();
        spans.sort_by_key(|one| one.span.start);
        *told += spans.len();
        let seal = trace.seals.last().map(|seal| (Hash(seal.root), seal.index));
        let summary = if shown("header") {
            (*trace.row.summary).clone()
        } else {
            let summary = &trace.row.summary;
            exhibit_model::TraceSummary::new(summary.trace_id.clone(), summary.start)
        };
        ReportTrace { summary, spans, seal }
    }

    /// Shows the leaves of the records and passes over all others.
    fn cover(
        &self,
        bundle: &mut BundleWriter<impl Write>,
        mut places: Vec<u64>,
        erasures: &Erasures,
        runtime: &Handle,
    ) -> Result<(), Error> {
        places.sort_unstable();
        places.dedup();
        let size = self.checkpoint.size;
        let hashes = self.recorder.store_hashes(self.log(), runtime.clone());
        let failed = |error: &dyn std::fmt::Display| Error::Internal(error.to_string());
        let prover = Prover::new(&hashes, size).map_err(|error| failed(&error))?;
        let mut at = 0;
        let hide = |bundle: &mut BundleWriter<_>, from: u64, to: u64| {
            for (first, height) in cover::subtrees(from, to) {
                let root =
                    prover.complete_subtree(height, first).map_err(|error| failed(&error))?;
                let root = root.ok_or_else(|| failed(&"a subtree is not there"))?;
                bundle.subtree(first, height, &root).map_err(closed)?;
            }
            Ok::<_, Error>(())
        };
        let mut rest = &*places;
        // A bundle of everything shows the acts of administration between the records too.
        let whole: Vec<u64>;
        if self.is_whole() {
            let hidden =
                |index: &u64| erasures.went_since(*index) && places.binary_search(index).is_err();
            whole = (0..size).filter(|index| !hidden(index)).collect();
            rest = &whole;
        }
        while let Some(first) = rest.first() {
            let near = rest.windows(2).take_while(|w| w[1] - w[0] <= GAP && w[1] - first < LEAVES);
            let count = near.count() + 1;
            let (now, later) = rest.split_at(count);
            let last = now.last().copied().unwrap_or(*first);
            let leaves = self.recorder.store.leaves(self.log(), *first, last + 1);
            let leaves = runtime.block_on(leaves)?;
            for index in now {
                hide(bundle, at, *index)?;
                let leaf = leaves.get((index - first) as usize);
                let leaf = leaf.ok_or_else(|| failed(&"a leaf is not there"))?;
                bundle.leaf(*index, leaf).map_err(closed)?;
                at = index + 1;
            }
            rest = later;
        }
        hide(bundle, at, size)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn closed(error: std::io::Error) -> Error {
    Error::Internal(format!("the bundle could not be written: {error}"))
}

//! From decoded spans to a batch that is complete before the commit.

use std::{cell::RefCell, collections::HashMap, hash::Hasher as _, sync::Arc};

use exhibit_capture::Rejected;
use exhibit_govern::{Charge, FollowUp, Surroundings};
use exhibit_ledger::{
    Hash, Leaf, LeafKind, PartKey, leaf_hash,
    record::{Body, body_roots, part_hash},
    tree::leaf_hashes,
};
use exhibit_model::{
    Door, Finding, Flag, Nanos, RecordId, Span, SpanHead, SpanId, Status, TraceId, WorkspaceId,
    merge::{self, Digest},
    record::{self, Parts},
    text,
};
use exhibit_store::{Batch, Block, SpanWrite, StoredSpan, TraceKey, TraceWrite};
use siphasher::sip128::Hasher128 as _;

use super::{amend, conceal, group::Group};
use crate::{
    Error, Recorder,
    live::LiveSpan,
    lock,
    rules::Loaded,
    vault::{self, OpenKey},
};

/// Compression of payload blocks: level 1 is where the ratio per microsecond is best.
const ZSTD_LEVEL: i32 = 1;

/// What the store knows about the spans of a batch.
#[derive(Default)]
pub(crate) struct Known(pub(crate) HashMap<(TraceId, SpanId), StoredSpan>);

/// A batch, and what to say once it is committed.
pub(crate) struct Prepared {
    pub(crate) batch: Batch,
    pub(crate) refused: Vec<Rejected>,
    pub(crate) live: Vec<LiveTrace>,
    pub(crate) after: After,
    /// Wrapped keys of records that are locked; to be kept before the batch is.
    pub(crate) locks: Vec<(RecordId, Vec<u8>)>,
}

/// What is to be done once a batch is durable.
#[derive(Default)]
pub(crate) struct After {
    pub(crate) follow_ups: Vec<(TraceId, SpanId, FollowUp)>,
    pub(crate) charges: Vec<Charge>,
}

/// The spans of one trace for live views.
pub(crate) struct LiveTrace {
    pub(crate) spans: Vec<LiveSpan>,
}

/// Builds a batch. Identical re-deliveries fall out; everything in `groups` stays usable for another
/// round.
pub(crate) fn prepare(
    recorder: &Recorder,
    workspace: WorkspaceId,
    groups: &mut [Group],
    known: Known,
) -> Result<Prepared, Error> {
    let received = recorder.now();
    let rules = recorder.rules.current();
    let mut out = Prepared {
        batch: Batch {
            workspace,
            received,
            traces: Vec::with_capacity(groups.len()),
            seals: Vec::new(),
            acts: Vec::new(),
        },
        refused: Vec::new(),
        live: Vec::with_capacity(groups.len()),
        after: After::default(),
        locks: Vec::new(),
    };
    let book = recorder.budgets.book(workspace, received);
    let watched = recorder.live.is_watched(workspace);
    let mut unsealed = Vec::new();
    for group in groups {
        let key = recorder.vault.cached_or_new(workspace, &group.trace_id, &*recorder.entropy)?;
        let mut raw = Vec::with_capacity(group.spans.len() * 2048);
        let mut spans = Vec::with_capacity(group.spans.len());
        let mut words = String::new();
        let mut live = Vec::new();
        let place = out.batch.traces.len();
        for (index, delivered) in group.spans.iter_mut().enumerate() {
            delivered.received = received;
            let stored = known.0.get(&(group.trace_id.clone(), delivered.span_id.clone()));
            let around = Surroundings { spending: &book, ..Surroundings::default() };
            let built = match (group.remap, stored) {
                (true, Some(stored)) => Revision::remapped(&rules, stored, received, &around)?,
                (true, None) => None,
                (false, stored) => Revision::build(recorder, &rules, delivered, stored, &around)?,
            };
            let Some((revision, said)) = built else { continue };
            if revision.bytes() > recorder.limits.span_bytes_max {
                out.refused.push(too_large(index, delivered, recorder.limits.span_bytes_max));
                continue;
            }
            let span = revision.span(delivered);
            for fault in &said.faults {
                crate::meters::add(&recorder.meters.rule_faults, 1);
                tracing::warn!(rule = %fault, "a rule could not be evaluated");
            }
            book.pend(&said.charges);
            out.after.charges.extend(said.charges);
            out.after.follow_ups.extend(
                said.follow_ups
                    .into_iter()
                    .map(|f| (span.trace_id.clone(), span.span_id.clone(), f)),
            );
            if recorder.search && !revision.head.quarantined {
                text::searchable(span, &mut words);
            }
            if watched && !revision.head.quarantined && !revision.head.span_id.is_registration() {
                live.push(LiveSpan::of(&revision.head));
            }
            let record = RecordId::mint(&*recorder.entropy);
            let (door, sealed) = (span.door, span.status.is_sealed());
            if sealed {
                let at = (place, spans.len());
                let supersedes = revision.supersedes;
                let (key, parts) = (Arc::clone(&key), revision.parts.clone());
                unsealed.push(Unsealed { at, record, supersedes, door, key, parts });
            }
            let mut revision = revision;
            if key.seals() {
                (revision.head.input_preview, revision.head.output_preview) = (None, None);
            }
            if revision.head.quarantined {
                let (vault, entropy) = (&recorder.vault, &*recorder.entropy);
                let parts = &mut revision.parts.0;
                out.locks.push((record, lock::lock(vault, workspace, record, entropy, parts)?));
            }
            spans.push(revision.write(record, &mut raw));
        }
        if spans.is_empty() {
            continue;
        }
        out.batch.traces.push(TraceWrite {
            trace_id: group.trace_id.clone(),
            key: key.wrapped.clone(),
            block: key.seal(workspace, &group.trace_id, compress(&raw)?, &*recorder.entropy)?,
            spans,
            text: words,
            tombstone: Some(recorder.tombstone(workspace, &group.trace_id)),
        });
        out.live.push(LiveTrace { spans: live });
    }
    seal(&mut out.batch, unsealed, &rules.hash())?;
    Ok(out)
}

/// A terminal revision that has no leaf yet.
struct Unsealed {
    /// Trace and span of the batch.
    at: (usize, usize),
    record: RecordId,
    supersedes: Option<RecordId>,
    door: Door,
    key: Arc<OpenKey>,
    parts: Parts,
}

/// Makes the leaves of a whole batch: hashing many messages side by side costs a third of hashing
/// them one by one.
fn seal(batch: &mut Batch, unsealed: Vec<Unsealed>, rules: &[u8; 32]) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::Internal(format!("a leaf could not be made: {error}"))
    };
    let parts: Vec<[&[u8]; 5]> = unsealed.iter().map(|u| u.parts.slices()).collect();
    let bodies: Vec<Body<'_>> = unsealed
        .iter()
        .zip(&parts)
        .map(|(u, parts)| Body { key: &u.key.part_key, record: u.record.0.into(), parts })
        .collect();
    let roots = body_roots(&bodies).map_err(|e| failed(&e))?;
    let received = u64::try_from(batch.received.0).unwrap_or(0);
    let mut leaves = Vec::with_capacity(unsealed.len());
    for (u, root) in unsealed.iter().zip(roots) {
        let mut leaf = Leaf::new(LeafKind::Span, u.record.0.into(), u.door.as_str(), received);
        leaf.supersedes = u.supersedes.map(|r| r.0.into());
        leaf.body_root = Some(root);
        leaf.lengths = u.parts.lengths().map(|n| n as u64).to_vec();
        leaf.rules = Some(Hash(*rules));
        leaves.push(leaf.to_bytes().map_err(|e| failed(&e))?);
    }
    let hashes = leaf_hashes(&leaves);
    for ((u, bytes), hash) in unsealed.iter().zip(leaves).zip(hashes) {
        let (trace, span) = u.at;
        batch.traces[trace].spans[span].leaf = Some(exhibit_store::Leaf { bytes, hash: hash.0 });
    }
    Ok(())
}

fn too_large(index: usize, span: &Span, max: usize) -> Rejected {
    Rejected {
        index,
        pointer: String::new(),
        reason: format!("the span is larger than {max} bytes; send large contents by reference"),
        span_id: Some(span.span_id.to_string()),
        trace_id: Some(span.trace_id.to_string()),
        body: None,
    }
}

/// One revision of one span, governed and encoded.
struct Revision {
    /// The result of a merge; none when the delivery itself is the revision.
    merged: Option<Span>,
    head: SpanHead,
    parts: Parts,
    digest: Digest,
    supersedes: Option<RecordId>,
}

impl Revision {
    /// Merges, maps, prices and governs a delivery. `None` when it changes nothing.
    ///
    /// The delivery is governed in place: the next round, if there is one, starts from the redacted
    /// text and keeps the findings of this one.
    fn build(
        recorder: &Recorder,
        rules: &Loaded,
        delivered: &mut Span,
        stored: Option<&StoredSpan>,
        around: &Surroundings<'_>,
    ) -> Result<Option<(Self, Said)>, Error> {
        if stored.is_none() && amend::is_amendment(delivered) {
            return Ok(None);
        }
        let said = judge(rules, delivered, around);
        let parts = record::encode(delivered);
        let digest = recorder.delivery_digest(delivered, &parts);
        let Some(stored) = stored else {
            let head = head(delivered);
            let new = Self { merged: None, head, parts, digest, supersedes: None };
            return Ok(Some((new, said)));
        };
        if digest == stored.digest {
            return Ok(None);
        }
        let before = decode(stored)?;
        if amend::is_amendment(delivered) {
            return Ok(Self::amended(rules, before, delivered, stored, around));
        }
        if delivered.status == Status::Incomplete {
            // The server's mark is put on a running span as it stands, and on nothing else.
            return Ok((before.status == Status::Running).then(|| {
                let head = head(delivered);
                let supersedes = Some(stored.record);
                (Self { merged: None, head, parts, digest, supersedes }, said)
            }));
        }
        let received = before.received;
        let first_received = before.first_received;
        let held = [before.findings.as_slice(), &delivered.findings].concat();
        let mut span = merge::merge((before, stored.digest), (delivered.clone(), digest));
        let now = std::mem::replace(&mut span.received, received);
        span.first_received = first_received;
        span.findings = held;
        let said = judge(rules, &mut span, around);
        if record::encode(&span).0 == stored.parts {
            return Ok(None);
        }
        span.received = now;
        span.first_received = first_received.or(Some(received));
        let parts = record::encode(&span);
        let head = head(&span);
        let supersedes = Some(stored.record);
        Ok(Some((Self { merged: Some(span), head, parts, digest, supersedes }, said)))
    }

    /// The stored revision with a reviewer's decision on it. It keeps the digest: what clients sent
    /// before changes nothing when it comes again.
    fn amended(
        rules: &Loaded,
        before: Span,
        delivered: &Span,
        stored: &StoredSpan,
        around: &Surroundings<'_>,
    ) -> Option<(Self, Said)> {
        let (received, first_received) = (before.received, before.first_received);
        let mut span = before;
        amend::carry_out(rules, &mut span, delivered);
        let mut said = judge(rules, &mut span, around);
        // It was counted when it came.
        said.charges.clear();
        if record::encode(&span).0 == stored.parts {
            return None;
        }
        span.received = delivered.received;
        span.first_received = first_received.or(Some(received));
        let (parts, head) = (record::encode(&span), head(&span));
        let supersedes = Some(stored.record);
        Some((Self { merged: Some(span), head, parts, digest: stored.digest, supersedes }, said))
    }

    /// Maps, prices and governs a stored revision anew. `None` when it reads as before.
    fn remapped(
        rules: &Loaded,
        stored: &StoredSpan,
        received: Nanos,
        around: &Surroundings<'_>,
    ) -> Result<Option<(Self, Said)>, Error> {
        let mut span = decode(stored)?;
        let mut said = judge(rules, &mut span, around);
        // It was counted when it came.
        said.charges.clear();
        if record::encode(&span).0 == stored.parts {
            return Ok(None);
        }
        span.first_received = span.first_received.or(Some(span.received));
        span.received = received;
        let parts = record::encode(&span);
        let head = head(&span);
        let (digest, supersedes) = (stored.digest, Some(stored.record));
        Ok(Some((Self { merged: Some(span), head, parts, digest, supersedes }, said)))
    }

    fn span<'a>(&'a self, delivered: &'a Span) -> &'a Span {
        self.merged.as_ref().unwrap_or(delivered)
    }

    fn bytes(&self) -> usize {
        self.parts.lengths().iter().sum()
    }

    /// Appends the parts to the raw block. The leaf comes later, with those of the whole batch.
    fn write(self, record: RecordId, raw: &mut Vec<u8>) -> SpanWrite {
        let offset = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        for part in self.parts.slices() {
            raw.extend_from_slice(part);
        }
        SpanWrite {
            head: self.head,
            record,
            supersedes: self.supersedes,
            digest: self.digest,
            offset,
            lengths: self.parts.lengths().map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            leaf: None,
        }
    }
}

/// What governing a span asks for beside the record.
#[derive(Default)]
struct Said {
    follow_ups: Vec<FollowUp>,
    charges: Vec<Charge>,
    faults: Vec<String>,
}

/// Maps, governs and prices. Raw attributes are redacted first, then mapped again, so that no
/// mapped field keeps what was redacted. Findings whose text is already redacted cannot be found
/// again; they stay, and rules see them. What was said of the trace as a whole stays on its
/// registration record.
fn judge(rules: &Loaded, span: &mut Span, around: &Surroundings<'_>) -> Said {
    let held: Vec<Finding> = std::mem::take(&mut span.findings);
    exhibit_capture::map(span);
    span.cost = rules.prices.price(span);
    if super::ruling::is_bare(span) {
        (span.evaluations, span.decision) = Default::default();
        super::ruling::restore(span);
        return Said::default();
    }
    let released = amend::released(span);
    let around = &Surroundings { released: released.as_ref(), ..*around };
    let evaluated = rules.rules.evaluate_in(span, &held, around);
    if evaluated.remap {
        exhibit_capture::map(span);
        span.cost = rules.prices.price(span);
    }
    for tag in evaluated.tags {
        if !span.tags.contains(&tag) {
            span.tags.push(tag);
        }
    }
    if span.span_id.is_registration() {
        super::ruling::restore(span);
    }
    let (follow_ups, charges, faults) = (evaluated.follow_ups, evaluated.charges, evaluated.faults);
    Said { follow_ups, charges, faults }
}

/// Reads a stored record.
pub(crate) fn decode(stored: &StoredSpan) -> Result<Span, Error> {
    record::decode(stored.parts.each_ref().map(Vec::as_slice))
        .map_err(|error| Error::Internal(format!("a stored record does not read: {error}")))
}

/// Root over the salted parts (see [`exhibit_ledger::record::body_root`]), without a vector.
pub(crate) fn body_root(key: &PartKey, record: RecordId, parts: &[&[u8]; 5]) -> Hash {
    let id = record.0.into();
    let mut part = 0;
    let hashes = parts.map(|bytes| {
        let hash = part_hash(&key.salt(&id, part), bytes);
        part += 1;
        hash
    });
    exhibit_ledger::tree::root_of(&hashes)
}

/// A leaf's bytes and hash.
pub(crate) fn finish(leaf: &Leaf) -> Result<exhibit_store::Leaf, Error> {
    let bytes = leaf
        .to_bytes()
        .map_err(|error| Error::Internal(format!("a leaf could not be written: {error}")))?;
    let hash = leaf_hash(&bytes).0;
    Ok(exhibit_store::Leaf { bytes, hash })
}

/// The head as a row holds it: without previews where payloads of its trace are encrypted.
pub(crate) fn head_kept(span: &Span, key: &TraceKey) -> SpanHead {
    let mut head = head(span);
    if vault::is_sealed(key) {
        (head.input_preview, head.output_preview) = (None, None);
    }
    head
}

/// The head with its previews, which only a root needs. Of something quarantined it tells what can be
/// counted, and nothing that somebody wrote or a detector found.
fn head(span: &Span) -> SpanHead {
    let mut head = SpanHead::of(span);
    if head.quarantined {
        conceal::head(span, &mut head);
        return head;
    }
    if head.is_root() {
        let previews = exhibit_capture::previews(span);
        (head.input_preview, head.output_preview) = (previews.input, previews.output);
    }
    head
}

thread_local! {
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses a raw block; the context is kept per thread, since making one costs more than most
/// blocks.
pub(crate) fn compress(raw: &[u8]) -> Result<Block, Error> {
    let failed = |error: std::io::Error| {
        Error::Internal(format!("a block could not be compressed: {error}"))
    };
    let data = COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(failed)?),
        };
        compressor.compress(raw).map_err(failed)
    })?;
    Ok(Block { raw_bytes: u32::try_from(raw.len()).unwrap_or(u32::MAX), data })
}

impl Recorder {
    /// Keyed digest of a delivery: what identifies it, and every part but the header, which holds
    /// what we derived. Taken after redaction, so that it cannot be used to test guesses at what was
    /// redacted.
    fn delivery_digest(&self, span: &Span, parts: &Parts) -> Digest {
        let mut hasher = self.vault.deliveries();
        let mut field = |bytes: &[u8]| {
            hasher.write_usize(bytes.len());
            hasher.write(bytes);
        };
        field(span.span_id.as_str().as_bytes());
        field(span.parent_id.as_ref().map_or(&[][..], |p| p.as_str().as_bytes()));
        field(span.name.as_deref().unwrap_or_default().as_bytes());
        field(span.status.as_str().as_bytes());
        field(span.status_message.as_deref().unwrap_or_default().as_bytes());
        for stamp in [span.start, span.end] {
            field(&stamp.map_or(i64::MIN, |t| t.0).to_be_bytes());
        }
        parts.slices()[1..].iter().for_each(|part| field(part));
        hasher.finish128().as_u128().to_be_bytes()
    }

    /// A span marked incomplete by the server, as a delivery to be merged.
    pub(crate) fn incomplete(stored: &StoredSpan, reason: &str) -> Result<Span, Error> {
        let mut span = decode(stored)?;
        span.first_received.get_or_insert(span.received);
        span.status = Status::Incomplete;
        span.status_message = Some(reason.to_owned());
        span.flag(Flag::Stale);
        Ok(span)
    }
}

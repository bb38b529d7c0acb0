//! Traces and revisions of spans as PostgreSQL keeps them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use exhibit_model::{
    Limits, Nanos, RecordId, SpanHead, SpanId, Status, TraceSummary, merge::Digest,
};
use exhibit_store::{SpanRow, StoreError, StoredSeal, StoredSpan, TraceKey, TraceRow};

use crate::{
    failure::{Result, When, corrupt},
    row::Columns,
};

/// The columns of [`TraceState::read`], in its order, of the table named `t`.
pub(crate) const TRACE: &str = "t.id, t.first_received, t.last_received, t.records, t.leaves, \
     t.covered, t.seals, t.root_received, t.first_span, t.key, t.summary";

/// The columns of [`read_seal`], in its order, of the table named `s`.
pub(crate) const SEAL: &str = "s.record, s.leaf, s.body, s.covered, s.root, s.partial, s.late";

/// Traces with their latest seal: `FROM` of what [`read_trace`] reads.
pub(crate) const TRACES_WITH_SEAL: &str =
    "traces AS t LEFT JOIN seals AS s ON s.trace = t.id AND s.number = t.seals - 1";

/// The columns of [`Revision::read`], in its order, of the table named `p`.
pub(crate) const REVISION: &str =
    "p.record, p.digest, p.block, p.place, p.leaf, p.leaf_hash, p.counted, p.head";

/// The columns of [`read_superseded`], in its order, of the table named `p`.
pub(crate) const SUPERSEDED: &str = "p.record, p.digest, p.block, p.place, p.leaf, p.leaf_hash";

/// A trace as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct TraceState {
    pub(crate) id: i64,
    pub(crate) first_received: Nanos,
    pub(crate) last_received: Nanos,
    pub(crate) records: u64,
    pub(crate) leaves: u64,
    pub(crate) covered: u64,
    pub(crate) seals: u64,
    pub(crate) root_received: Option<Nanos>,
    pub(crate) first_span: Option<SpanId>,
    pub(crate) key: TraceKey,
    pub(crate) summary: Arc<TraceSummary>,
}

impl TraceState {
    pub(crate) fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: c.next()?,
            first_received: Nanos(c.next()?),
            last_received: Nanos(c.next()?),
            records: c.count()?,
            leaves: c.count()?,
            covered: c.count()?,
            seals: c.count()?,
            root_received: c.next::<Option<i64>>()?.map(Nanos),
            first_span: c.next::<Option<&str>>()?.map(crate::row::span_id).transpose()?,
            key: TraceKey(c.next()?),
            summary: serde_json::from_slice(c.next()?)
                .map(Arc::new)
                .map_err(|error| corrupt(format!("a trace's summary: {error}")))?,
        })
    }

    /// When it is to be sealed; none when nothing is unsealed. See
    /// [`SpanStore::due`](exhibit_store::SpanStore::due).
    pub(crate) fn seal_due(&self, limits: &Limits) -> Option<i64> {
        let unsealed = self.leaves.saturating_sub(self.covered);
        if unsealed == 0 {
            return None;
        }
        let last = self.last_received.0;
        if unsealed > limits.seal_partial_spans {
            return Some(last);
        }
        let after = |at: i64, ms: u64| {
            at.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000))
        };
        let silence = after(last, limits.seal_after_silence_ms);
        let ended = self.summary.root_status.is_some_and(Status::is_terminal)
            && self.summary.running_count == 0;
        let root = self.root_received.filter(|_| ended);
        Some(root.map_or(silence, |at| silence.min(after(at.0, limits.seal_after_root_ms))))
    }
}

/// A trace with its latest seal, read from the columns [`TRACE`] and [`SEAL`].
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) state: TraceState,
    pub(crate) seal: Option<StoredSeal>,
}

impl Listed {
    pub(crate) fn read(c: &mut Columns<'_>) -> Result<Self> {
        let state = TraceState::read(c)?;
        let seal = if state.seals == 0 { None } else { Some(read_seal(c)?) };
        Ok(Self { state, seal })
    }

    pub(crate) fn row(self) -> TraceRow {
        TraceRow {
            summary: self.state.summary,
            first_received: self.state.first_received,
            last_received: self.state.last_received,
            seal: self.seal,
            reviews: BTreeSet::new(),
            key: self.state.key,
        }
    }
}

pub(crate) fn read_seal(c: &mut Columns<'_>) -> Result<StoredSeal> {
    Ok(StoredSeal {
        record: RecordId(c.array()?),
        index: c.count()?,
        body: c.next()?,
        covered: c.count()?,
        root: c.array()?,
        partial: c.next()?,
        late: c.next()?,
    })
}

/// Where the parts of a revision stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) block: i64,
    pub(crate) offset: u32,
    pub(crate) lengths: [u32; 5],
}

impl Place {
    fn read(c: &mut Columns<'_>) -> Result<Self> {
        let block = c.next()?;
        let bytes: [u8; 24] = c.array()?;
        let (words, _) = bytes.as_chunks::<4>();
        let mut numbers = [0; 6];
        for (number, word) in numbers.iter_mut().zip(words) {
            *number = u32::from_be_bytes(*word);
        }
        let [offset, lengths @ ..] = numbers;
        Ok(Self { block, offset, lengths })
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let numbers = [self.offset].into_iter().chain(self.lengths);
        numbers.flat_map(u32::to_be_bytes).collect()
    }

    /// The parts in the raw bytes of the block.
    pub(crate) fn parts(&self, raw: &[u8]) -> Result<[Vec<u8>; 5]> {
        let mut parts: [Vec<u8>; 5] = Default::default();
        let mut at = self.offset as usize;
        for (part, length) in parts.iter_mut().zip(self.lengths) {
            let end = at.saturating_add(length as usize);
            *part = raw.get(at..end).ok_or_else(|| corrupt("a block that is too short"))?.to_vec();
            at = end;
        }
        Ok(parts)
    }
}

/// A revision of a span.
#[derive(Debug, Clone)]
pub(crate) struct Revision {
    pub(crate) head: SpanHead,
    pub(crate) record: RecordId,
    pub(crate) digest: Digest,
    pub(crate) place: Place,
    /// Index in the workspace's log, and hash.
    pub(crate) leaf: Option<(u64, [u8; 32])>,
    pub(crate) counted: bool,
}

fn read_leaf(c: &mut Columns<'_>) -> Result<Option<(u64, [u8; 32])>> {
    match (c.next::<Option<i64>>()?, c.array_or_null()?) {
        (None, None) => Ok(None),
        (Some(index), Some(hash)) => {
            let index = u64::try_from(index).map_err(|_| corrupt("a leaf index below zero"))?;
            Ok(Some((index, hash)))
        }
        _ => Err(corrupt("half a leaf")),
    }
}

impl Revision {
    pub(crate) fn read(c: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            record: RecordId(c.array()?),
            digest: c.array()?,
            place: Place::read(c)?,
            leaf: read_leaf(c)?,
            counted: c.next()?,
            head: serde_json::from_slice(c.next()?)
                .map_err(|error| corrupt(format!("a span's columns: {error}")))?,
        })
    }

    /// As a list shows it.
    pub(crate) fn row(&self) -> SpanRow {
        SpanRow {
            head: self.head.clone(),
            record: self.record,
            index: self.leaf.map(|(index, _)| index),
            leaf_hash: self.leaf.map(|(_, hash)| hash),
            counted: self.counted,
        }
    }

    /// As stored, with its parts.
    pub(crate) fn stored(&self, parts: [Vec<u8>; 5]) -> StoredSpan {
        StoredSpan {
            record: self.record,
            digest: self.digest,
            parts,
            index: self.leaf.map(|(index, _)| index),
            leaf_hash: self.leaf.map(|(_, hash)| hash),
            counted: self.counted,
        }
    }
}

/// The current revisions of traces, by the numbers of those.
pub(crate) async fn whole_traces(
    db: &impl tokio_postgres::GenericClient,
    traces: &[i64],
) -> Result<HashMap<i64, Vec<Revision>>> {
    let doing = "reading the spans of traces";
    let sql = format!("SELECT p.trace, {REVISION} FROM spans AS p WHERE p.trace = ANY($1)");
    let mut all: HashMap<i64, Vec<Revision>> = HashMap::new();
    for row in db.query(&sql, &[&traces]).await.when(doing)? {
        let mut c = Columns::of(&row);
        all.entry(c.next()?).or_default().push(Revision::read(&mut c)?);
    }
    Ok(all)
}

/// A superseded revision without its parts, and where they stand.
pub(crate) fn read_superseded(c: &mut Columns<'_>) -> Result<(StoredSpan, Place)> {
    let (record, digest) = (RecordId(c.array()?), c.array()?);
    let place = Place::read(c)?;
    let (index, hash) = read_leaf(c)?.ok_or_else(|| corrupt("a replaced revision without leaf"))?;
    let parts = Default::default();
    let stored = StoredSpan {
        record,
        digest,
        parts,
        index: Some(index),
        leaf_hash: Some(hash),
        counted: false,
    };
    Ok((stored, place))
}

/// JSON for a column.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| StoreError::Failed(format!("writing JSON: {error}")))
}

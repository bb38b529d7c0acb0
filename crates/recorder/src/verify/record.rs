//! One record against its leaf, its row, its trace.

use exhibit_ledger::{Hash, Leaf, LeafKind, PartKey, leaf_hash, record::part_hash, tree::root_of};
use exhibit_model::{Nanos, Span, SpanHead, SpanId, TraceSummary, record};
use exhibit_store::{AuditTrace, SpanRow, StoredSeal, StoredSpan, TraceKey, TraceRow};

use super::{Fault, Verdict};

fn altered(what: impl Into<String>) -> Fault {
    Fault::new(Verdict::Altered, what)
}

/// Checks a current revision: its leaf, its parts, and the row that lists show. Returns the span.
pub(super) fn check(
    (key, wrapped): (Option<&PartKey>, &TraceKey),
    row: &SpanRow,
    stored: &StoredSpan,
    leaf: Option<&[u8]>,
) -> Result<Span, Fault> {
    check_leaf(row.head.status.is_sealed(), stored, None, leaf)?;
    let span = check_parts(key, stored, leaf)?;
    if span.status.is_sealed() != stored.index.is_some() {
        return Err(Fault::new(Verdict::Missing, "a sealed record has no leaf"));
    }
    check_row(&crate::accept::head_kept(&span, wrapped), row)?;
    Ok(span)
}

/// Checks what a row states against the leaf, without reading the record's bytes.
pub(super) fn check_leaf(
    sealed: bool,
    stored: &StoredSpan,
    lengths: Option<&[u32; 5]>,
    leaf: Option<&[u8]>,
) -> Result<(), Fault> {
    let (index, bytes) = match (stored.index, leaf) {
        (Some(index), Some(bytes)) => (index, bytes),
        (Some(_), None) => {
            return Err(Fault::new(Verdict::Truncated, "the record's leaf is not there"));
        }
        (None, _) if sealed => {
            return Err(Fault::new(Verdict::Missing, "a sealed record has no leaf"));
        }
        (None, _) => return Ok(()),
    };
    if stored.leaf_hash != Some(leaf_hash(bytes).0) {
        return Err(altered("the record's fingerprint is not that of its leaf"));
    }
    let leaf = Leaf::parse(bytes).map_err(|_| altered("the record's leaf does not read"))?;
    if leaf.kind != LeafKind::Span {
        return Err(Fault::new(Verdict::Reordered, format!("leaf {index} is not a span's")));
    }
    if leaf.id.0 != stored.record.0 {
        let what = format!("leaf {index} is another record's");
        return Err(Fault::new(Verdict::Reordered, what));
    }
    let stated = lengths
        .map_or_else(|| stored.parts.each_ref().map(|p| p.len() as u64), |l| l.map(u64::from));
    if lengths.is_some() && leaf.lengths != stated {
        return Err(altered("the record's parts have other lengths than its leaf states"));
    }
    Ok(())
}

/// Checks a record's bytes against its leaf, and reads them.
pub(super) fn check_parts(
    key: Option<&PartKey>,
    stored: &StoredSpan,
    leaf: Option<&[u8]>,
) -> Result<Span, Fault> {
    let parts = stored.parts.each_ref().map(Vec::as_slice);
    if let Some(leaf) = leaf.and_then(|bytes| Leaf::parse(bytes).ok()) {
        let key = key.ok_or_else(|| altered("the trace's key does not open"))?;
        let lengths: Vec<u64> = parts.iter().map(|p| p.len() as u64).collect();
        let root = crate::accept::body_root(key, stored.record, &parts);
        if leaf.lengths != lengths || leaf.body_root != Some(root) {
            return Err(altered("the record's bytes are not those that were sealed"));
        }
    }
    record::decode(parts).map_err(|_| altered("the record does not read"))
}

/// Checks that a list shows what the record says.
fn check_row(head: &SpanHead, row: &SpanRow) -> Result<(), Fault> {
    if *head == row.head {
        return Ok(());
    }
    let field = differing_field(head, &row.head).unwrap_or_else(|| "row".to_owned());
    Err(altered(format!("the {field} that lists show is not the sealed one")))
}

/// The first field in which two values of one shape differ.
fn differing_field<T: serde::Serialize>(one: &T, other: &T) -> Option<String> {
    let (one, other) = (serde_json::to_value(one).ok()?, serde_json::to_value(other).ok()?);
    let differs =
        |(name, value): &(&String, &serde_json::Value)| other.get(name.as_str()) != Some(value);
    one.as_object()?.iter().find(differs).map(|(name, _)| name.clone())
}

/// Checks that a trace's summary is what its records add up to.
pub(super) fn check_summary(shown: &TraceSummary, heads: &[(SpanHead, bool)]) -> Result<(), Fault> {
    let start = heads.iter().map(|(h, _)| h.start).min().unwrap_or(shown.start);
    let mut derived = TraceSummary::new(shown.trace_id.clone(), start);
    for (head, counted) in heads {
        derived.absorb(head, *counted);
    }
    check_counted(heads)?;
    if derived == *shown {
        return Ok(());
    }
    let field = differing_field(&derived, shown).unwrap_or_else(|| "summary".to_owned());
    Err(altered(format!("the trace's {field} is not what its records add up to")))
}

/// Checks that a trace shows the times of receipt that its records state.
pub(super) fn check_received(
    row: &TraceRow,
    received: impl Iterator<Item = (Nanos, Nanos)> + Clone,
) -> Result<(), Fault> {
    let first = received.clone().map(|(first, _)| first).min();
    let last = received.map(|(_, last)| last).max();
    if first.is_none_or(|first| first == row.first_received)
        && last.is_none_or(|last| last == row.last_received)
    {
        return Ok(());
    }
    Err(altered("the times of receipt that are shown are not those of the trace's records"))
}

/// Checks that a trace counts in the rollup cells of the span that was sealed first.
pub(super) fn check_first(trace: &AuditTrace, first: Option<&SpanId>) -> Result<(), Fault> {
    if trace.first_span.as_ref() == first {
        return Ok(());
    }
    Err(altered("the trace is not counted with the span that was sealed first"))
}

/// When the first piece of a record was received, and when this revision was.
pub(super) fn received(span: &Span) -> (Nanos, Nanos) {
    (span.first_received.unwrap_or(span.received), span.received)
}

/// Of the spans that report one response id, exactly one counts; a leaf call without one counts.
fn check_counted(heads: &[(SpanHead, bool)]) -> Result<(), Fault> {
    use exhibit_model::UsageRole;
    let mut by_response: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for (head, counted) in heads.iter().filter(|(h, _)| h.usage_role == UsageRole::Leaf) {
        match &head.response_id {
            Some(id) => *by_response.entry(id).or_default() += usize::from(*counted),
            None if !counted => return Err(altered("a call that should count does not")),
            None => {}
        }
    }
    if by_response.values().all(|n| *n == 1) {
        Ok(())
    } else {
        Err(altered("a response is not counted exactly once"))
    }
}

/// What an archive has lost of a trace's payloads.
pub(super) fn lost(trace: &AuditTrace) -> impl Iterator<Item = Fault> {
    trace.lost.iter().map(|(object, missing)| {
        if *missing {
            let what = format!("the archived object {object} is missing or was cut");
            Fault::new(Verdict::Missing, what)
        } else {
            altered(format!("the archived object {object} was changed"))
        }
    })
}

/// Leaf hashes of a trace's sealed revisions, superseded ones included, in log order.
pub(super) fn leaf_hashes(trace: &AuditTrace) -> Vec<(u64, Hash)> {
    let revisions = trace
        .spans
        .iter()
        .map(|(_, stored)| stored)
        .chain(trace.superseded.iter().map(|(_, stored)| stored));
    let mut leaves: Vec<_> =
        revisions.filter_map(|s| Some((s.index?, Hash(s.leaf_hash?)))).collect();
    leaves.sort_unstable_by_key(|(index, _)| *index);
    leaves
}

/// Checks a seal: its leaf, its private part, and the root over the leaves before it.
pub(super) fn check_seal(
    key: Option<&PartKey>,
    seal: &StoredSeal,
    leaf: Option<&[u8]>,
    leaves: &[(u64, Hash)],
) -> Result<(), Fault> {
    let bytes =
        leaf.ok_or_else(|| Fault::new(Verdict::Truncated, "the seal's leaf is not there"))?;
    let leaf = Leaf::parse(bytes).map_err(|_| altered("the seal's leaf does not read"))?;
    if leaf.kind != LeafKind::TraceSeal || leaf.id.0 != seal.record.0 {
        return Err(Fault::new(Verdict::Reordered, "the seal's leaf is another record's"));
    }
    let key = key.ok_or_else(|| altered("the trace's key does not open"))?;
    if leaf.body_root != Some(part_hash(&key.salt(&leaf.id, 0), &seal.body)) {
        return Err(altered("the seal's bytes are not those that were sealed"));
    }
    let body: serde_json::Value =
        serde_json::from_slice(&seal.body).map_err(|_| altered("the seal does not read"))?;
    let stated = (
        body["covered"].as_u64(),
        body["root"].as_str().map(ToOwned::to_owned),
        body["partial"].as_bool(),
        body["late"].as_bool(),
    );
    let shown =
        (Some(seal.covered), Some(hex::encode(seal.root)), Some(seal.partial), Some(seal.late));
    if stated != shown {
        return Err(altered("what is shown of the seal is not what was sealed"));
    }
    let covered = usize::try_from(seal.covered).unwrap_or(usize::MAX);
    let hashes: Vec<Hash> = leaves.iter().take(covered).map(|(_, h)| *h).collect();
    if hashes.len() < covered {
        return Err(Fault::new(
            Verdict::Missing,
            "the trace has fewer records than its seal covers",
        ));
    }
    if root_of(&hashes).0 != seal.root {
        return Err(altered("the trace's records are not those that its seal covers"));
    }
    Ok(())
}

//! Columns and facets that filters and sorting read: each must follow from the trace's summary.

use exhibit_model::WorkspaceId;
use exhibit_store::TraceRow;
use rusqlite::{Connection, types::Value};

use crate::{
    failure::{Result, SqlContext},
    query::{facet::FacetHasher, known},
};

/// Columns of `traces` that repeat what the summary says, in the order of [`derived`].
const REPEATED: [&str; 17] = [
    "workspace",
    "trace_id",
    "start",
    "end",
    "duration",
    "status",
    "verdict",
    "cost",
    "tokens_in",
    "tokens_out",
    "spans",
    "errors",
    "findings",
    "known",
    "sealed",
    "session",
    "user",
];

/// The names of what does not follow from the summary.
pub(super) fn differing(
    db: &Connection,
    workspace: WorkspaceId,
    number: i64,
    row: &TraceRow,
) -> Result<Vec<String>> {
    let doing = "reading a trace's columns to verify";
    let sql = format!("SELECT \"{}\" FROM traces WHERE id = ?1", REPEATED.join("\", \""));
    let stored: Vec<Value> = db
        .prepare_cached(&sql)
        .and_then(|mut s| {
            s.query_row([number], |r| (0..REPEATED.len()).map(|i| r.get(i)).collect())
        })
        .when(doing)?;
    let expected = derived(workspace, row);
    let mut differing: Vec<String> = REPEATED
        .iter()
        .zip(stored.iter().zip(&expected))
        .filter(|(_, (stored, expected))| stored != expected)
        .map(|(name, _)| (*name).to_owned())
        .collect();

    let mut probe = db
        .prepare_cached(
            "SELECT (SELECT count(*) FROM facets WHERE hash = ?1 AND start = ?2 AND trace = ?3) \
             + (SELECT count(*) FROM facets_late WHERE hash = ?1 AND start = ?2 AND trace = ?3)",
        )
        .when(doing)?;
    let sealed = row.seal.as_ref().is_some_and(|seal| !seal.partial);
    for hash in FacetHasher::new(workspace.0).all(&row.summary, sealed) {
        let key = (hash, row.summary.start.0, number);
        let found: i64 = probe.query_row(key, |r| r.get(0)).when(doing)?;
        if found == 0 {
            differing.push("place in a filtered list".to_owned());
            break;
        }
    }
    Ok(differing)
}

fn derived(workspace: WorkspaceId, row: &TraceRow) -> [Value; 17] {
    let trace = &*row.summary;
    let clamp = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let text = |t: &Option<String>| t.clone().map_or(Value::Null, Value::Text);
    let number = |n: Option<i64>| n.map_or(Value::Null, Value::Integer);
    let usage = trace.usage();
    let sealed = row.seal.as_ref().is_some_and(|seal| !seal.partial);
    [
        Value::Integer(workspace.0),
        Value::Text(trace.trace_id.to_string()),
        Value::Integer(trace.start.0),
        number(trace.end.map(|t| t.0)),
        number(trace.duration().map(|t| t.0)),
        Value::Integer(trace.status().code()),
        Value::Integer(trace.verdict.code()),
        number(trace.cost().map(|c| c.0)),
        clamp(usage.input_tokens()),
        clamp(usage.output_tokens()),
        clamp(trace.span_count),
        clamp(trace.error_count),
        clamp(trace.findings),
        Value::Integer(known::bits(trace)),
        Value::Integer(i64::from(sealed)),
        text(&trace.session),
        text(&trace.user),
    ]
}

//! Writing what was applied: a fixed number of statements, whatever the number of batches.

use deadpool_postgres::Transaction;
use exhibit_model::{SpanId, Status};
use exhibit_store::{StoreError, rollup::claims};
use tokio_postgres::types::ToSql;

use super::apply::{OpenTrace, Payload, Work};
use crate::{
    cells,
    failure::{Result, When},
    notify::payload,
    row::int,
    trace::json,
};

/// Runs a statement whose values are columns of many rows.
async fn put(db: &Transaction<'_>, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<()> {
    let doing = "writing a commit";
    let statement = db.prepare_cached(sql).await.when(doing)?;
    db.execute(&statement, values).await.when(doing)?;
    Ok(())
}

/// Writes everything.
pub(super) async fn all(db: &Transaction<'_>, mut work: Work, node: &str) -> Result<()> {
    let mut changed: Vec<(i64, OpenTrace)> = std::mem::take(&mut work.traces)
        .into_iter()
        .filter(|(_, trace)| trace.changed.is_some())
        .map(|((workspace, _), trace)| (workspace.0, trace))
        .collect();
    changed.sort_by_key(|(_, trace)| trace.state.id);
    for log in work.logs.values_mut() {
        log.flush(db).await?;
    }
    traces(db, &work, &changed).await?;
    spans(db, &changed).await?;
    superseded(db, &work).await?;
    seals(db, &work).await?;
    payloads(db, &work.payloads).await?;
    let (mut spaces, mut sequences, mut deltas) = (Vec::new(), Vec::new(), Vec::new());
    for (workspace, (rollup, sequence)) in work.deltas {
        let sums = rollup.into_cells();
        if !sums.is_empty() {
            spaces.push(workspace);
            sequences.push(sequence);
            deltas.push(cells::encode(&sums));
        }
    }
    if !spaces.is_empty() {
        put(
            db,
            "INSERT INTO outbox_deltas (workspace, sequence, cells) \
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])",
            &[&spaces, &sequences, &deltas],
        )
        .await?;
    }
    let told: Vec<(i64, i64, Vec<i64>)> = work
        .commits
        .iter()
        .map(|(workspace, (first, _))| {
            let of = changed.iter().filter(|(of, _)| of == workspace);
            (*workspace, *first, of.map(|(_, trace)| trace.state.id).collect())
        })
        .collect();
    let told = payload(node, &told);
    put(db, "SELECT pg_notify('exhibit_commits', $1)", &[&told]).await
}

async fn traces(db: &Transaction<'_>, work: &Work, changed: &[(i64, OpenTrace)]) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&OpenTrace) -> i64| -> Vec<i64> {
        changed.iter().map(|(_, trace)| of(trace)).collect()
    };
    let ids = column(|t| t.state.id);
    let spaces: Vec<i64> = changed.iter().map(|(workspace, _)| *workspace).collect();
    let names: Vec<&str> = changed.iter().map(|(_, t)| t.state.summary.trace_id.as_str()).collect();
    let due: Vec<Option<i64>> =
        changed.iter().map(|(_, t)| t.state.seal_due(&work.limits)).collect();
    let roots: Vec<Option<i64>> =
        changed.iter().map(|(_, t)| t.state.root_received.map(|at| at.0)).collect();
    let firsts: Vec<Option<&str>> =
        changed.iter().map(|(_, t)| t.state.first_span.as_ref().map(SpanId::as_str)).collect();
    let keys: Vec<&[u8]> = changed.iter().map(|(_, t)| t.state.key.0.as_slice()).collect();
    let summaries: Vec<Vec<u8>> =
        changed.iter().map(|(_, t)| json(&*t.state.summary)).collect::<Result<_>>()?;
    put(
        db,
        "INSERT INTO traces (id, workspace, trace_id, first_received, last_received, records, \
         leaves, covered, seals, seal_due, root_received, first_span, key, summary) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], \
         $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], \
         $12::text[], $13::bytea[], $14::bytea[]) ON CONFLICT (id) DO UPDATE SET \
         first_received = excluded.first_received, last_received = excluded.last_received, \
         records = excluded.records, leaves = excluded.leaves, covered = excluded.covered, \
         seals = excluded.seals, seal_due = excluded.seal_due, \
         root_received = excluded.root_received, first_span = excluded.first_span, \
         summary = excluded.summary",
        &[
            &ids,
            &spaces,
            &names,
            &column(|t| t.state.first_received.0),
            &column(|t| t.state.last_received.0),
            &column(|t| int(t.state.records)),
            &column(|t| int(t.state.leaves)),
            &column(|t| int(t.state.covered)),
            &column(|t| int(t.state.seals)),
            &due,
            &roots,
            &firsts,
            &keys,
            &summaries,
        ],
    )
    .await?;
    put(
        db,
        "INSERT INTO outbox_traces (trace, workspace, changed) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) \
         ON CONFLICT (trace) DO UPDATE SET changed = excluded.changed",
        &[&ids, &spaces, &column(|t| t.changed.unwrap_or_default())],
    )
    .await?;
    let moved: Vec<_> = changed
        .iter()
        .filter_map(|(workspace, t)| Some((*workspace, t.state.id, t.filed?, t)))
        .filter(|(.., filed, t)| *filed != t.state.summary.start.0)
        .collect();
    if moved.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = moved.iter().map(|(_, id, ..)| *id).collect();
    let spaces: Vec<i64> = moved.iter().map(|(workspace, ..)| *workspace).collect();
    let starts: Vec<i64> = moved.iter().map(|(_, _, filed, _)| *filed).collect();
    let commits: Vec<i64> = moved.iter().map(|(.., t)| t.changed.unwrap_or_default()).collect();
    put(
        db,
        "INSERT INTO outbox_moved (trace, workspace, start, changed) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])",
        &[&ids, &spaces, &starts, &commits],
    )
    .await
}

async fn spans(db: &Transaction<'_>, changed: &[(i64, OpenTrace)]) -> Result<()> {
    let mut rows = Vec::new();
    for (_, trace) in changed {
        for (id, received) in &trace.written {
            rows.extend(trace.spans.get(id).map(|span| (trace.state.id, *received, span)));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let traces: Vec<i64> = rows.iter().map(|(trace, ..)| *trace).collect();
    let ids: Vec<&str> = rows.iter().map(|(.., s)| s.head.span_id.as_str()).collect();
    let starts: Vec<i64> = rows.iter().map(|(.., s)| s.head.start.0).collect();
    let parents: Vec<Option<&str>> =
        rows.iter().map(|(.., s)| s.head.parent_id.as_ref().map(SpanId::as_str)).collect();
    let waits = |s: &crate::trace::Revision| {
        s.head.status == Status::Running && !s.head.span_id.is_registration()
    };
    let received: Vec<Option<i64>> =
        rows.iter().map(|(_, at, s)| waits(s).then_some(at.0)).collect();
    let claimed: Vec<Option<&[u8]>> = rows
        .iter()
        .map(|(.., s)| claims(&s.head).filter(|_| s.counted).map(str::as_bytes))
        .collect();
    let records: Vec<&[u8]> = rows.iter().map(|(.., s)| &s.record.0[..]).collect();
    let digests: Vec<&[u8]> = rows.iter().map(|(.., s)| &s.digest[..]).collect();
    let blocks: Vec<i64> = rows.iter().map(|(.., s)| s.place.block).collect();
    let places: Vec<Vec<u8>> = rows.iter().map(|(.., s)| s.place.to_bytes()).collect();
    let leaves: Vec<Option<i64>> =
        rows.iter().map(|(.., s)| s.leaf.map(|(index, _)| int(index))).collect();
    let hashes: Vec<Option<&[u8]>> =
        rows.iter().map(|(.., s)| s.leaf.as_ref().map(|(_, hash)| &hash[..])).collect();
    let counted: Vec<bool> = rows.iter().map(|(.., s)| s.counted).collect();
    let heads: Vec<Vec<u8>> = rows.iter().map(|(.., s)| json(&s.head)).collect::<Result<_>>()?;
    put(
        db,
        "INSERT INTO spans (trace, span_id, start, parent, received, claim, record, digest, block, \
         place, leaf, leaf_hash, counted, head) SELECT * FROM unnest($1::bigint[], $2::text[], \
         $3::bigint[], $4::text[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bytea[], \
         $9::bigint[], $10::bytea[], $11::bigint[], $12::bytea[], $13::bool[], $14::bytea[]) \
         ON CONFLICT (trace, span_id) DO UPDATE SET start = excluded.start, \
         parent = excluded.parent, received = excluded.received, claim = excluded.claim, \
         record = excluded.record, digest = excluded.digest, block = excluded.block, \
         place = excluded.place, leaf = excluded.leaf, leaf_hash = excluded.leaf_hash, \
         counted = excluded.counted, head = excluded.head",
        &[
            &traces, &ids, &starts, &parents, &received, &claimed, &records, &digests, &blocks,
            &places, &leaves, &hashes, &counted, &heads,
        ],
    )
    .await
}

async fn superseded(db: &Transaction<'_>, work: &Work) -> Result<()> {
    let rows = &work.replaced;
    if rows.is_empty() {
        return Ok(());
    }
    let traces: Vec<i64> = rows.iter().map(|r| r.0).collect();
    let ids: Vec<&str> = rows.iter().map(|r| r.1.head.span_id.as_str()).collect();
    let leaves: Vec<i64> = rows.iter().map(|r| int(r.2.0)).collect();
    let hashes: Vec<&[u8]> = rows.iter().map(|r| &r.2.1[..]).collect();
    let records: Vec<&[u8]> = rows.iter().map(|r| &r.1.record.0[..]).collect();
    let digests: Vec<&[u8]> = rows.iter().map(|r| &r.1.digest[..]).collect();
    let blocks: Vec<i64> = rows.iter().map(|r| r.1.place.block).collect();
    let places: Vec<Vec<u8>> = rows.iter().map(|r| r.1.place.to_bytes()).collect();
    put(
        db,
        "INSERT INTO superseded (trace, span_id, leaf, leaf_hash, record, digest, block, place) \
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[], $5::bytea[], \
         $6::bytea[], $7::bigint[], $8::bytea[])",
        &[&traces, &ids, &leaves, &hashes, &records, &digests, &blocks, &places],
    )
    .await
}

async fn seals(db: &Transaction<'_>, work: &Work) -> Result<()> {
    let rows = &work.seals;
    if rows.is_empty() {
        return Ok(());
    }
    let traces: Vec<i64> = rows.iter().map(|r| r.0).collect();
    let numbers: Vec<i64> = rows.iter().map(|r| int(r.1)).collect();
    let leaves: Vec<i64> = rows.iter().map(|r| int(r.2)).collect();
    let records: Vec<&[u8]> = rows.iter().map(|r| &r.3.record.0[..]).collect();
    let bodies: Vec<&[u8]> = rows.iter().map(|r| r.3.body.as_slice()).collect();
    let covered: Vec<i64> = rows.iter().map(|r| int(r.3.covered)).collect();
    let roots: Vec<&[u8]> = rows.iter().map(|r| &r.3.root[..]).collect();
    let partial: Vec<bool> = rows.iter().map(|r| r.3.partial).collect();
    let late: Vec<bool> = rows.iter().map(|r| r.3.late).collect();
    put(
        db,
        "INSERT INTO seals (trace, number, leaf, record, body, covered, root, partial, late) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], \
         $6::bigint[], $7::bytea[], $8::bool[], $9::bool[])",
        &[&traces, &numbers, &leaves, &records, &bodies, &covered, &roots, &partial, &late],
    )
    .await
}

async fn payloads(db: &Transaction<'_>, rows: &[Payload]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = rows.iter().map(|r| r.id).collect();
    let spaces: Vec<i64> = rows.iter().map(|r| r.workspace).collect();
    let traces: Vec<i64> = rows.iter().map(|r| r.trace).collect();
    let raws: Vec<i64> = rows.iter().map(|r| i64::from(r.block.raw_bytes)).collect();
    let data: Vec<&[u8]> = rows.iter().map(|r| r.block.data.as_slice()).collect();
    put(
        db,
        "INSERT INTO outbox_blocks (id, workspace, trace, raw_bytes, data) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])",
        &[&ids, &spaces, &traces, &raws, &data],
    )
    .await?;
    let said: Vec<&Payload> = rows.iter().filter(|r| !r.text.is_empty()).collect();
    if said.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = said.iter().map(|r| r.id).collect();
    let spaces: Vec<i64> = said.iter().map(|r| r.workspace).collect();
    let traces: Vec<i64> = said.iter().map(|r| r.trace).collect();
    let texts: Vec<Vec<u8>> = said.iter().map(|r| squeeze(&r.text)).collect::<Result<_>>()?;
    put(
        db,
        "INSERT INTO outbox_texts (id, workspace, trace, text) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[])",
        &[&ids, &spaces, &traces, &texts],
    )
    .await
}

/// Text as the outbox keeps it: its length in four bytes, then a zstd frame.
fn squeeze(text: &str) -> Result<Vec<u8>> {
    let failed = |what: &dyn std::fmt::Display| StoreError::Failed(format!("a text: {what}"));
    let length = u32::try_from(text.len()).map_err(|error| failed(&error))?;
    let frame = zstd::bulk::compress(text.as_bytes(), 1).map_err(|error| failed(&error))?;
    Ok([&length.to_be_bytes()[..], &frame].concat())
}

/// What [`squeeze`] kept.
pub(crate) fn unsqueeze(bytes: &[u8]) -> Result<String> {
    let corrupt = || StoreError::Corrupt("a text of the outbox".to_owned());
    let (length, frame) = bytes.split_first_chunk::<4>().ok_or_else(corrupt)?;
    let raw = zstd::bulk::decompress(frame, u32::from_be_bytes(*length) as usize);
    raw.ok().and_then(|raw| String::from_utf8(raw).ok()).ok_or_else(corrupt)
}

//! One revision of a span takes the place of the one before.

use std::sync::Arc;

use exhibit_model::{Nanos, RecordId, SpanId, Status, TraceId, TraceSummary};
use exhibit_store::{
    LogId, SpanWrite,
    rollup::{
        Accumulator,
        attribution::{Attribution, Before, Revised},
        claims,
    },
};
use rusqlite::{Connection, OptionalExtension, params};

use super::{kin::Kin, step::Step, trace::OpenTrace};
use crate::{
    failure::{Result, SqlContext},
    row::{
        context::Contexts,
        span::{COLUMNS, Packed, Place, Revision, Stated, put_lengths},
    },
};

/// The revision that is current before a write.
#[derive(Debug)]
pub(super) struct Old(Revision);

impl Old {
    /// Whether a span has a current revision.
    pub(super) fn exists(db: &Connection, trace: i64, span: &SpanId) -> Result<bool> {
        db.prepare_cached("SELECT 1 FROM spans WHERE trace = ?1 AND span_id = ?2")
            .and_then(|mut s| s.exists((trace, span.as_str())))
            .when("looking for a span")
    }

    /// The current revision of a span. The contexts of the trace are read once.
    pub(super) fn load(
        db: &Connection,
        trace: i64,
        trace_id: &TraceId,
        span: &SpanId,
        contexts: &mut Option<Contexts>,
    ) -> Result<Option<Self>> {
        let contexts = match contexts {
            Some(contexts) => contexts,
            None => contexts.insert(Contexts::load(db, trace)?),
        };
        let sql = format!("SELECT {COLUMNS} FROM spans WHERE trace = ?1 AND span_id = ?2");
        db.prepare_cached(&sql)
            .and_then(|mut s| {
                s.query_row((trace, span.as_str()), |row| {
                    Ok(Revision::read(row, trace_id, contexts))
                })
                .optional()
            })
            .when("reading a span")?
            .transpose()
            .map(|found| found.map(Self))
    }

    /// Whether it is the record that a batch was built upon.
    pub(super) fn is(&self, record: RecordId) -> bool {
        self.0.record == record
    }
}

/// Spans of one trace being written.
pub(super) struct Revising<'a, 'w> {
    step: &'a mut Step<'w>,
    trace: &'a mut OpenTrace,
    rollup: &'a mut Accumulator,
    log: LogId,
    received: Nanos,
    block: i64,
    /// Something was replaced that cannot be adjusted in place.
    refold: bool,
    /// What the trace said before.
    before: Before,
    /// What was written so far.
    revised: Vec<Revised<'a>>,
}

impl<'a, 'w> Revising<'a, 'w> {
    pub(super) fn new(
        step: &'a mut Step<'w>,
        trace: &'a mut OpenTrace,
        rollup: &'a mut Accumulator,
        log: LogId,
        received: Nanos,
        block: i64,
    ) -> Self {
        let state = &trace.state;
        let before = Before::of(&state.summary, state.records > 0);
        let revised = Vec::new();
        Self { step, trace, rollup, log, received, block, refold: false, before, revised }
    }

    /// Writes a revision; the index of its leaf.
    pub(super) fn write(&mut self, span: &'a SpanWrite, old: Option<Old>) -> Result<Option<u64>> {
        let head = &span.head;
        let index = match &span.leaf {
            Some(leaf) => Some(self.step.append(self.log, leaf)?),
            None => None,
        };
        let state = &mut self.trace.state;
        if index.is_some() {
            state.leaves += 1;
            if state.first_span.is_none() && !head.span_id.is_registration() {
                state.first_span = Some(head.span_id.clone());
            }
        }
        let first = state.first_span.as_ref() == Some(&head.span_id);
        let counted = self.count(span, old.as_ref().map(|old| &old.0))?;
        if let Some(Old(old)) = &old {
            self.keep_superseded(old)?;
        } else {
            self.trace.state.records += 1;
        }
        self.write_row(span, index, counted, old.is_some())?;
        self.absorb(span, old.as_ref().map(|old| &old.0), counted);
        let old = old.map(|Old(old)| (old.head, old.counted));
        self.revised.push(Revised { old, new: head, counted, first_of_trace: first });
        Ok(index)
    }

    fn absorb(&mut self, span: &SpanWrite, old: Option<&Revision>, counted: bool) {
        let in_place = |old: &Revision| TraceSummary::replaces_in_place(&old.head, &span.head);
        if old.is_some_and(|old| !in_place(old)) {
            self.refold = true;
        }
        if self.refold {
            return;
        }
        let summary = Arc::make_mut(&mut self.trace.state.summary);
        if let Some(old) = old {
            summary.release_running(&old.head);
        }
        summary.absorb(&span.head, counted);
        if summary.root.as_ref() == Some(&span.head.span_id) {
            self.trace.state.root_received = Some(self.received);
        }
    }

    /// Whether the usage of a revision counts: not when the current, counted revision of another
    /// span claims the same response.
    fn count(&mut self, span: &SpanWrite, old: Option<&Revision>) -> Result<bool> {
        let doing = "counting a response";
        let (db, trace) = (self.step.db, self.trace.state.id);
        let claim = claims(&span.head);
        let held = old.filter(|old| old.counted).and_then(|old| claims(&old.head));
        if let Some(held) = held {
            if claim == Some(held) {
                return Ok(true);
            }
            db.prepare_cached("DELETE FROM responses WHERE trace = ?1 AND response_id = ?2")
                .and_then(|mut s| s.execute((trace, held)))
                .when(doing)?;
        }
        let Some(claim) = claim else { return Ok(true) };
        let taken = db
            .prepare_cached(
                "INSERT INTO responses (trace, response_id, span_id) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO NOTHING",
            )
            .and_then(|mut s| s.execute((trace, claim, span.head.span_id.as_str())))
            .when(doing)?;
        Ok(taken == 1)
    }

    fn keep_superseded(&self, old: &Revision) -> Result<()> {
        let Some((index, hash)) = &old.leaf else { return Ok(()) };
        let mut lengths = Vec::with_capacity(12);
        put_lengths(&mut lengths, old.place.lengths);
        self.step
            .db
            .prepare_cached(
                "INSERT INTO superseded (trace, span_id, leaf, leaf_hash, record, digest, \
                 block, offset, lengths) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .and_then(|mut s| {
                s.execute(params![
                    self.trace.state.id,
                    old.head.span_id.as_str(),
                    *index as i64,
                    &hash[..],
                    &old.record.0[..],
                    &old.digest[..],
                    old.place.block,
                    old.place.offset,
                    lengths,
                ])
            })
            .when("keeping a superseded revision")?;
        Ok(())
    }

    fn write_row(
        &mut self,
        span: &SpanWrite,
        index: Option<u64>,
        counted: bool,
        replace: bool,
    ) -> Result<()> {
        let doing = "writing a span";
        let (db, trace) = (self.step.db, self.trace.state.id);
        let head = &span.head;
        let (context, new) = self.trace.recent_contexts(db)?.number(head);
        if let Some(new) = new {
            db.prepare_cached("INSERT INTO contexts (trace, number, body) VALUES (?1, ?2, ?3)")
                .and_then(|mut s| s.execute((trace, context, new.to_json().unwrap_or_default())))
                .when("writing a context")?;
        }
        let leaf = index.zip(span.leaf.as_ref()).map(|(index, leaf)| (index, leaf.hash));
        let place = Place { block: self.block, offset: span.offset, lengths: span.lengths };
        let digest = &span.digest;
        let stated = Stated { record: span.record, digest, place, leaf, counted, context };
        let packed = &mut self.step.packed;
        packed.clear();
        Packed::write(packed, head, &stated);
        db.prepare_cached(if replace { REPLACE } else { INSERT })
            .and_then(|mut s| {
                s.execute((
                    trace,
                    head.span_id.as_str(),
                    head.start.0,
                    head.parent_id.as_ref().map(SpanId::as_str),
                    is_waiting(head.status, &head.span_id).then_some(self.received.0),
                    packed.as_slice(),
                ))
            })
            .when(doing)?;
        Ok(())
    }

    /// Ends the write: the summary is folded anew where it has to be, and what the spans contribute
    /// is brought to the sums.
    pub(super) fn finish(mut self) -> Result<()> {
        if self.refold {
            self.fold()?;
        }
        let state = &self.trace.state;
        let mut attribution = Attribution::new(&self.revised, &self.before);
        let first_span = state.first_span.as_ref();
        let mut kin = Kin::new(self.step.db, state.id, &state.summary.trace_id, first_span);
        kin.teach(&mut attribution)?;
        attribution.account(self.rollup, &state.summary);
        kin.settle(&mut attribution, &state.summary, self.rollup)
    }

    fn fold(&mut self) -> Result<()> {
        let state = &mut self.trace.state;
        let old = &state.summary;
        let mut summary = TraceSummary::new(old.trace_id.clone(), old.start);
        let mut root_is_new = false;
        let doing = "folding a trace";
        let contexts = Contexts::load(self.step.db, state.id)?;
        let sql = format!("SELECT {COLUMNS} FROM spans WHERE trace = ?1");
        let mut statement = self.step.db.prepare_cached(&sql).when(doing)?;
        let mut rows = statement.query([state.id]).when(doing)?;
        while let Some(row) = rows.next().when(doing)? {
            let revision = Revision::read(row, &old.trace_id, &contexts)?;
            summary.absorb(&revision.head, revision.counted);
            if summary.root.as_ref() == Some(&revision.head.span_id) {
                root_is_new = revision.place.block == self.block;
            }
        }
        // When an older span has become the root, its clock starts now: a seal comes late rather
        // than early.
        if root_is_new || summary.root != old.root {
            state.root_received = summary.root.is_some().then_some(self.received);
        }
        state.summary = Arc::new(summary);
        Ok(())
    }
}

/// Whether a span waits for its end, by a clock that runs.
fn is_waiting(status: Status, id: &SpanId) -> bool {
    status == Status::Running && !id.is_registration()
}

const INSERT: &str = "INSERT INTO spans (trace, span_id, start, parent, received, packed) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const REPLACE: &str = "INSERT OR REPLACE INTO spans (trace, span_id, start, parent, received, \
    packed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

//! Spans of a trace that a write does not bring but concerns: those above what it brings and those
//! below. See [`attribution`](exhibit_store::rollup::attribution).

use std::collections::{HashMap, hash_map::Entry};

use exhibit_model::{SpanHead, SpanId, TraceId, TraceSummary};
use exhibit_store::rollup::{
    Accumulator,
    attribution::{Attribution, LEVELS, Lineage},
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{
    failure::{Result, SqlContext, corrupt},
    row::{
        Columns,
        context::Context,
        span::{COLUMNS, Packed, Revision},
    },
};

/// The stored spans of one trace.
pub(super) struct Kin<'w> {
    db: &'w Connection,
    trace: i64,
    trace_id: &'w TraceId,
    first_span: Option<&'w SpanId>,
    /// Contexts, as far as they were asked for: a trace of many episodes has one for each.
    contexts: HashMap<i64, Context>,
}

impl<'w> Kin<'w> {
    pub(super) fn new(
        db: &'w Connection,
        trace: i64,
        trace_id: &'w TraceId,
        first_span: Option<&'w SpanId>,
    ) -> Self {
        Self { db, trace, trace_id, first_span, contexts: HashMap::new() }
    }

    /// Tells an attribution the ancestors that it misses.
    pub(super) fn teach(&mut self, attribution: &mut Attribution<'_>) -> Result<()> {
        loop {
            let missing = attribution.missing();
            if missing.is_empty() {
                return Ok(());
            }
            for id in missing {
                let mut next = Some(id);
                for _ in 0..LEVELS {
                    let Some(id) = next else { break };
                    let found = self.lineage(&id)?;
                    next = attribution.learn(id, found);
                }
            }
        }
    }

    /// Moves what counts under another agent or user than before.
    pub(super) fn settle(
        &mut self,
        attribution: &mut Attribution<'_>,
        after: &TraceSummary,
        sum: &mut Accumulator,
    ) -> Result<()> {
        for passed in attribution.passed(after) {
            let mut below = vec![(passed.span.clone(), 1)];
            while let Some((id, level)) = below.pop() {
                self.visit(Some(&id), |head, counted, first| {
                    if attribution.is_heir(head) {
                        passed.shift(sum, head, counted, first, level);
                        if level < passed.levels() {
                            below.push((head.span_id.clone(), level + 1));
                        }
                    }
                })?;
            }
        }
        if attribution.moves_all(after) {
            self.visit(None, |head, _, _| {
                attribution.learn(head.span_id.clone(), Some(Lineage::of(head)));
            })?;
            self.visit(None, |head, counted, first| {
                attribution.move_one(sum, head, counted, first, after);
            })?;
        }
        Ok(())
    }

    fn lineage(&mut self, id: &SpanId) -> Result<Option<Lineage>> {
        let read = |row: &Row<'_>| -> Result<(Option<SpanId>, i64)> {
            let mut c = Columns::of(row);
            let parent = c.text_or_null()?.map(crate::row::span_id).transpose()?;
            Ok((parent, Packed::read(c.bytes()?)?.facts()?.context))
        };
        let found = self
            .db
            .prepare_cached("SELECT parent, packed FROM spans WHERE trace = ?1 AND span_id = ?2")
            .and_then(|mut s| {
                s.query_row((self.trace, id.as_str()), |row| Ok(read(row))).optional()
            })
            .when("reading an ancestor")?
            .transpose()?;
        let Some((parent, context)) = found else { return Ok(None) };
        let parent = parent.filter(|parent| parent != id);
        let agent = self.context(context)?.agent().map(str::to_owned);
        Ok(Some(Lineage { parent, agent }))
    }

    fn context(&mut self, number: i64) -> Result<&Context> {
        Ok(match self.contexts.entry(number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let found = Context::load(self.db, self.trace, number)?;
                place.insert(found.ok_or_else(|| corrupt("a span without its context"))?)
            }
        })
    }

    /// Visits the spans below one, or all: each with whether it counts and whether it is the first.
    fn visit(
        &mut self,
        parent: Option<&SpanId>,
        mut visit: impl FnMut(&SpanHead, bool, bool),
    ) -> Result<()> {
        let doing = "reading spans that count elsewhere now";
        // Without statistics the planner takes the primary key, which is a walk through the trace.
        let which = match parent {
            Some(_) => "INDEXED BY spans_by_parent WHERE trace = ?1 AND parent = ?2",
            None => "WHERE trace = ?1",
        };
        let sql = format!("SELECT {COLUMNS} FROM spans {which}");
        let db = self.db;
        let mut statement = db.prepare_cached(&sql).when(doing)?;
        let mut rows = match parent {
            Some(id) => statement.query((self.trace, id.as_str())),
            None => statement.query([self.trace]),
        }
        .when(doing)?;
        while let Some(row) = rows.next().when(doing)? {
            let revision = Revision::read_with(row, self.trace_id, |number, head| {
                self.context(number)?.fill(head);
                Ok(())
            })?;
            let first = self.first_span == Some(&revision.head.span_id);
            visit(&revision.head, revision.counted, first);
        }
        Ok(())
    }
}

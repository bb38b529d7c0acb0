//! Spans that a commit does not bring but concerns: those above what it brings, and those below that
//! count under another agent from now on. See [`attribution`](exhibit_store::rollup::attribution).

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Transaction;
use exhibit_model::{SpanHead, SpanId, TraceId, WorkspaceId};
use exhibit_store::{
    Batch, TraceWrite,
    rollup::{
        Accumulator,
        attribution::{Attribution, Before, Lineage, Passed, Revised},
    },
};

use super::{apply::OpenTrace, load::Loaded};
use crate::{
    failure::{Result, When},
    row::Columns,
    trace::{REVISION, Revision},
};

/// The stored spans of a trace that were asked for, whether or not there are any.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// All of them.
    pub(super) whole: bool,
    ids: HashSet<SpanId>,
    /// Those below these.
    parents: HashSet<SpanId>,
}

/// What has to be read before a write can be attributed.
#[derive(Default)]
struct Wanted {
    ids: Vec<SpanId>,
    parents: Vec<SpanId>,
}

impl OpenTrace {
    /// What it says now.
    pub(super) fn before(&self) -> Before {
        Before::of(&self.state.summary, self.state.records > 0)
    }

    /// Brings what a write contributes, and what it moves, to the sums.
    pub(super) fn account(&self, revised: &[Revised<'_>], before: &Before, sum: &mut Accumulator) {
        let mut attribution = Attribution::new(revised, before);
        self.teach(&mut attribution);
        let after = &*self.state.summary;
        attribution.account(sum, after);
        let first = |id: &SpanId| self.state.first_span.as_ref() == Some(id);
        self.descend(&attribution, |passed, span, level| {
            let id = &span.head.span_id;
            passed.shift(sum, &span.head, span.counted, first(id), level);
        });
        if attribution.moves_all(after) {
            for (id, span) in &self.spans {
                attribution.learn(id.clone(), Some(Lineage::of(&span.head)));
            }
            for (id, span) in &self.spans {
                attribution.move_one(sum, &span.head, span.counted, first(id), after);
            }
        }
    }

    /// Tells an attribution the ancestors that it misses, as far as they were read; those that were
    /// not are returned.
    fn teach(&self, attribution: &mut Attribution<'_>) -> Vec<SpanId> {
        let mut unread = Vec::new();
        loop {
            let missing = attribution.missing();
            if missing.is_empty() {
                return unread;
            }
            for id in missing {
                let found = self.spans.get(&id).map(|span| Lineage::of(&span.head));
                if found.is_none() && !self.asked.whole && !self.asked.ids.contains(&id) {
                    unread.push(id.clone());
                }
                attribution.learn(id, found);
            }
        }
    }

    /// Visits the spans below those that pass another agent on, as far as they were read, each with
    /// how far below it stands; the spans below which was not read are returned.
    fn descend(
        &self,
        attribution: &Attribution<'_>,
        mut visit: impl FnMut(&Passed, &Revision, usize),
    ) -> Vec<SpanId> {
        let mut unread = Vec::new();
        let passed = attribution.passed(&self.state.summary);
        let mut children: HashMap<&SpanId, Vec<&Revision>> = HashMap::new();
        if !passed.is_empty() {
            for span in self.spans.values().filter(|span| attribution.is_heir(&span.head)) {
                if let Some(parent) = &span.head.parent_id {
                    children.entry(parent).or_default().push(span);
                }
            }
        }
        for passed in &passed {
            let mut below = vec![(&passed.span, 1)];
            while let Some((id, level)) = below.pop() {
                if !self.asked.whole && !self.asked.parents.contains(id) {
                    unread.push(id.clone());
                }
                for span in children.get(id).into_iter().flatten() {
                    visit(passed, span, level);
                    if level < passed.levels() {
                        below.push((&span.head.span_id, level + 1));
                    }
                }
            }
        }
        unread
    }

    /// A span as it will be written, as far as that says what it passes on.
    fn planned<'a>(&self, new: &'a SpanHead) -> Revised<'a> {
        let old = self.spans.get(&new.span_id).map(|old| (old.head.clone(), old.counted));
        Revised { old, new, counted: true, first_of_trace: false }
    }

    /// What is still to be read for a write.
    fn wanted(&self, write: &TraceWrite) -> Wanted {
        let before = self.before();
        let revised: Vec<_> = write.spans.iter().map(|span| self.planned(&span.head)).collect();
        let mut attribution = Attribution::new(&revised, &before);
        let ids = self.teach(&mut attribution);
        // With an ancestor unknown, what is passed on is not known either.
        let parents = match ids.as_slice() {
            [] => self.descend(&attribution, |_, _, _| ()),
            _ => Vec::new(),
        };
        Wanted { ids, parents }
    }
}

impl Loaded {
    /// The spans above and below those that batches write, a level at a time: mostly it is one, or
    /// none.
    pub(super) async fn load_kin(&mut self, db: &Transaction<'_>, batches: &[Batch]) -> Result<()> {
        loop {
            let mut of: HashMap<i64, (WorkspaceId, TraceId)> = HashMap::new();
            let (mut above, mut below) = (Vec::new(), Vec::new());
            for (batch, write) in super::load::writes(batches) {
                let key = (batch.workspace, write.trace_id.clone());
                let Some(trace) = self.traces.get_mut(&key) else { continue };
                let wanted = trace.wanted(write);
                let id = trace.state.id;
                of.insert(id, key);
                above.extend(wanted.ids.iter().map(|span| (id, span.to_string())));
                below.extend(wanted.parents.iter().map(|span| (id, span.to_string())));
                trace.asked.ids.extend(wanted.ids);
                trace.asked.parents.extend(wanted.parents);
            }
            if above.is_empty() && below.is_empty() {
                return Ok(());
            }
            self.read(db, &of, "span_id", above).await?;
            self.read(db, &of, "parent", below).await?;
        }
    }

    async fn read(
        &mut self,
        db: &Transaction<'_>,
        of: &HashMap<i64, (WorkspaceId, TraceId)>,
        column: &str,
        wanted: Vec<(i64, String)>,
    ) -> Result<()> {
        let doing = "reading spans above and below";
        if wanted.is_empty() {
            return Ok(());
        }
        let (traces, spans): (Vec<i64>, Vec<String>) = wanted.into_iter().unzip();
        let sql = format!(
            "SELECT p.trace, {REVISION} FROM unnest($1::bigint[], $2::text[]) AS w (trace, wanted) \
             JOIN spans AS p ON p.trace = w.trace AND p.{column} = w.wanted"
        );
        let statement = db.prepare_cached(&sql).await.when(doing)?;
        for row in db.query(&statement, &[&traces, &spans]).await.when(doing)? {
            let mut c = Columns::of(&row);
            let id: i64 = c.next()?;
            let revision = Revision::read(&mut c)?;
            if let Some(trace) = of.get(&id).and_then(|key| self.traces.get_mut(key)) {
                trace.spans.insert(revision.head.span_id.clone(), revision);
            }
        }
        Ok(())
    }
}

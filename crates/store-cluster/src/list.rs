//! Lists of traces and sessions: ClickHouse's answer, with what is in the outbox put over it.
//!
//! Traces that have changed and are not shipped yet are read whole from PostgreSQL and tried by the
//! filter here; the statement over there leaves them out. So a write is seen at once and nothing twice.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use clickhouse::Row;
use exhibit_model::{Nanos, ReviewState, Status, TraceSummary, WorkspaceId};
use exhibit_store::{
    Filter, Order, Page, SessionSummary, StoreError, TraceQuery, TraceRow, search::Document,
};
use serde::{Deserialize, Serialize};

use crate::{
    ClusterStore,
    commit::unsqueeze,
    cursor::{self, List},
    failure::{Result, When, corrupt},
    filter::{condition, constant, resolved, review_states, runs, terms},
    row::Columns,
    trace::{Listed, SEAL, TRACE, TRACES_WITH_SEAL},
};

/// Most traces that a test of reviews may find: their ids go into the statement.
const REVIEWED_MAX: usize = 20_000;

/// Where a row stands: its start, then its id.
type Place = (i64, String);

/// A trace that a statement found.
#[derive(Debug, Row, Serialize, Deserialize)]
struct Found {
    trace: i64,
    start: i64,
    trace_id: String,
}

/// What is in the outbox of a workspace.
struct Unshipped {
    /// Traces that a filter holds for, of those that have changed or, where it asks for words, whose words
    /// are not shipped yet.
    rows: Vec<Listed>,
    /// Traces whose rows over there do not count: changed, or erased.
    hidden: Vec<i64>,
}

impl Unshipped {
    /// The part of a statement that leaves the hidden ones out.
    fn hide(&self) -> String {
        if self.hidden.is_empty() {
            return String::new();
        }
        let list = self.hidden.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!(" AND trace NOT IN ({list})")
    }
}

impl ClusterStore {
    async fn unshipped(&self, workspace: WorkspaceId, filter: &Filter) -> Result<Unshipped> {
        let doing = "reading the outbox";
        // Where no words are asked for, those that are not shipped hide nothing.
        let texts = match terms(filter)[..] {
            [] => "",
            _ => "UNION SELECT trace FROM outbox_texts WHERE workspace = $1",
        };
        let sql = format!(
            "SELECT {TRACE}, {SEAL} FROM (SELECT trace FROM outbox_traces WHERE workspace = $1 {texts}) \
             AS o JOIN {TRACES_WITH_SEAL} ON t.id = o.trace"
        );
        let client = self.client().await?;
        let statement = client.prepare_cached(&sql).await.when(doing)?;
        let rows = client.query(&statement, &[&workspace.0]).await.when(doing)?;
        let gone = client
            .query("SELECT trace FROM outbox_erased WHERE workspace = $1", &[&workspace.0])
            .await
            .when(doing)?;
        drop(client);
        let rows: Vec<Listed> =
            rows.iter().map(|row| Listed::read(&mut Columns::of(row))).collect::<Result<_>>()?;
        let mut hidden: Vec<i64> = rows.iter().map(|row| row.state.id).collect();
        for row in &gone {
            hidden.push(Columns::of(row).next()?);
        }
        let said = self.said(workspace, filter, &rows).await?;
        let holds = |listed: &Listed| {
            let id = listed.state.id;
            filter.matches(&listed.clone().row(), &mut |term| {
                runs(term).iter().all(|run| said.finds(id, &run.phrase))
            })
        };
        Ok(Unshipped { rows: rows.into_iter().filter(holds).collect(), hidden })
    }

    /// What the terms of a filter find in traces of the outbox: in texts that are there too, and in
    /// those that were shipped before.
    async fn said(&self, workspace: WorkspaceId, filter: &Filter, rows: &[Listed]) -> Result<Said> {
        let mut said = Said::default();
        let runs: Vec<_> = terms(filter).into_iter().flat_map(runs).collect();
        if runs.is_empty() || rows.is_empty() {
            return Ok(said);
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.state.id).collect();
        let client = self.client().await?;
        let texts = client
            .query(
                "SELECT trace, text FROM outbox_texts WHERE trace = ANY($1) ORDER BY id",
                &[&ids],
            )
            .await
            .when("reading the outbox")?;
        drop(client);
        for row in &texts {
            let mut c = Columns::of(row);
            let trace: i64 = c.next()?;
            said.here.entry(trace).or_default().push(&unsqueeze(c.next()?)?);
        }
        let list = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        for run in runs {
            let sql = format!(
                "SELECT DISTINCT trace FROM texts WHERE workspace = {} AND trace IN ({list}) AND {}",
                workspace.0,
                run.condition()
            );
            let found = self.shared.clickhouse.query(&sql).fetch_all::<i64>().await;
            let found: HashSet<i64> = found.when("searching")?.into_iter().collect();
            said.there.insert(run.phrase.text, found);
        }
        Ok(said)
    }

    /// The rows of these traces, in their order; those that are gone by now are left out.
    async fn rows_of(&self, ids: &[i64]) -> Result<Vec<TraceRow>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT {TRACE}, {SEAL} FROM {TRACES_WITH_SEAL} WHERE t.id = ANY($1)");
        let client = self.client().await?;
        let statement = client.prepare_cached(&sql).await.when("reading traces")?;
        let rows = client.query(&statement, &[&ids]).await.when("reading traces")?;
        let mut by_id = HashMap::with_capacity(rows.len());
        for row in &rows {
            let listed = Listed::read(&mut Columns::of(row))?;
            by_id.insert(listed.state.id, listed.row());
        }
        Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }

    /// The filter with its tests of reviews answered.
    async fn resolved(&self, workspace: WorkspaceId, filter: &Filter) -> Result<Filter> {
        let doing = "looking for reviewed traces";
        let mut tests = Vec::new();
        filter.visit(&mut |test| tests.extend(review_states(test)));
        let mut answers = Vec::with_capacity(tests.len());
        for states in tests {
            let codes: Vec<i64> = states.iter().map(|state| state.code()).collect();
            let client = self.client().await?;
            let statement = client
                .prepare_cached(
                    "SELECT DISTINCT trace_id FROM reviews WHERE workspace = $1 \
                     AND state = ANY($2) LIMIT $3",
                )
                .await
                .when(doing)?;
            let limit = REVIEWED_MAX as i64 + 1;
            let rows = client.query(&statement, &[&workspace.0, &codes, &limit]).await;
            let rows = rows.when(doing)?;
            if rows.len() > REVIEWED_MAX {
                return Err(StoreError::Unsupported(
                    "filter by so many reviews; ask for a state that fewer are in",
                ));
            }
            let ids = rows.iter().map(|row| Columns::of(row).next::<String>());
            answers.push(ids.collect::<Result<Vec<_>>>()?);
        }
        Ok(resolved(filter, &mut answers.into_iter()))
    }

    /// Puts into rows how their reviews stand.
    pub(crate) async fn add_reviews(
        &self,
        workspace: WorkspaceId,
        rows: &mut [TraceRow],
    ) -> Result<()> {
        let doing = "reading how reviews stand";
        if rows.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = rows.iter().map(|row| row.summary.trace_id.as_str()).collect();
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT DISTINCT trace_id, state FROM reviews WHERE workspace = $1 \
                 AND trace_id = ANY($2)",
            )
            .await
            .when(doing)?;
        let found = client.query(&statement, &[&workspace.0, &ids]).await.when(doing)?;
        let mut states: HashMap<String, BTreeSet<ReviewState>> = HashMap::new();
        for row in &found {
            let mut c = Columns::of(row);
            let id: String = c.next()?;
            let state = ReviewState::from_code(c.next()?);
            let state = state.ok_or_else(|| corrupt("the state of a review"))?;
            states.entry(id).or_default().insert(state);
        }
        for row in rows {
            row.reviews = states.remove(row.summary.trace_id.as_str()).unwrap_or_default();
        }
        Ok(())
    }

    pub(crate) async fn list_traces(
        &self,
        workspace: WorkspaceId,
        query: &TraceQuery,
    ) -> Result<Page<TraceRow>> {
        let (list, op, way) = match query.order {
            Order::Newest => (List::TracesNewest, "<", "DESC"),
            Order::Oldest => (List::TracesOldest, ">", "ASC"),
        };
        let after: Option<Place> = cursor::read(list, query.after.as_ref())?;
        let filter = self.resolved(workspace, &query.filter).await?;
        let unshipped = self.unshipped(workspace, &filter).await?;
        let mut sql = format!(
            "SELECT ?fields FROM traces FINAL WHERE workspace = {}{} AND {}",
            workspace.0,
            unshipped.hide(),
            condition(&filter, workspace.0)
        );
        if let Some((start, id)) = &after {
            let id = constant(id);
            sql.push_str(&format!(
                " AND start {op}= {start} AND (start {op} {start} OR trace_id {op} {id})"
            ));
        }
        let limit = query.limit.saturating_add(1);
        sql.push_str(&format!(" ORDER BY start {way}, trace_id {way} LIMIT {limit}"));
        let found = self.shared.clickhouse.query(&sql).fetch_all::<Found>().await;
        let mut places: Vec<(Place, i64)> = found
            .when("listing traces")?
            .into_iter()
            .map(|found| ((found.start, found.trace_id), found.trace))
            .collect();
        let place = |listed: &Listed| {
            let summary = &listed.state.summary;
            ((summary.start.0, summary.trace_id.to_string()), listed.state.id)
        };
        let passed = |at: &Place| {
            after.as_ref().is_some_and(|after| match query.order {
                Order::Newest => at >= after,
                Order::Oldest => at <= after,
            })
        };
        places.extend(unshipped.rows.iter().map(place).filter(|(at, _)| !passed(at)));
        places.sort_unstable();
        if query.order == Order::Newest {
            places.reverse();
        }
        let more = places.len() > query.limit;
        places.truncate(query.limit);
        let next = places.last().filter(|_| more).and_then(|(at, _)| cursor::write(list, at));
        let ids: Vec<i64> = places.iter().map(|(_, id)| *id).collect();
        let mut rows = self.rows_of(&ids).await?;
        self.add_reviews(workspace, &mut rows).await?;
        Ok(Page { rows, next })
    }

    pub(crate) async fn list_sessions(
        &self,
        workspace: WorkspaceId,
        query: &TraceQuery,
    ) -> Result<Page<SessionSummary>> {
        let after: Option<Place> = cursor::read(List::Sessions, query.after.as_ref())?;
        let filter = self.resolved(workspace, &query.filter).await?;
        let unshipped = self.unshipped(workspace, &filter).await?;
        let mut sessions: BTreeMap<String, Sum> = BTreeMap::new();
        for listed in &unshipped.rows {
            let trace = &*listed.state.summary;
            if let Some(session) = &trace.session {
                sessions.entry(session.clone()).or_insert_with(|| Sum::empty(trace)).add(trace);
            }
        }
        let base = format!(
            "SELECT assumeNotNull(session) AS name, count() AS traces, \
             sumWithOverflow(spans) AS span_count, countIf(status = {}) AS failed, \
             min(start) AS first, max(ended) AS last, sum(toUInt128(tokens_in)) AS sum_in, \
             sum(toUInt128(tokens_out)) AS sum_out, sum(toInt128(ifNull(cost, 0))) AS sum_cost, \
             groupUniqArrayIf(assumeNotNull(end_user), isNotNull(end_user)) AS people \
             FROM traces FINAL WHERE workspace = {}{} AND isNotNull(session) AND {}",
            Status::Error.code(),
            workspace.0,
            unshipped.hide(),
            condition(&filter, workspace.0)
        );
        let doing = "listing sessions";
        let clickhouse = &self.shared.clickhouse;
        let names: Vec<String> = sessions.keys().map(|name| constant(name)).collect();
        let mut rest = String::new();
        if !names.is_empty() {
            let names = names.join(", ");
            let sql = format!("{base} AND session IN ({names}) GROUP BY name");
            for found in clickhouse.query(&sql).fetch_all::<FoundSession>().await.when(doing)? {
                if let Some(sum) = sessions.get_mut(&found.name) {
                    sum.join(found);
                }
            }
            rest = format!(" AND session NOT IN ({names})");
        }
        let mut having = String::new();
        if let Some((start, name)) = &after {
            let name = constant(name);
            having = format!(" HAVING first < {start} OR (first = {start} AND name < {name})");
        }
        let limit = query.limit.saturating_add(1);
        let sql = format!(
            "{base}{rest} GROUP BY name{having} ORDER BY first DESC, name DESC LIMIT {limit}"
        );
        for found in clickhouse.query(&sql).fetch_all::<FoundSession>().await.when(doing)? {
            let mut sum = Sum { start: i64::MAX, ..Sum::default() };
            let name = found.name.clone();
            sum.join(found);
            sessions.insert(name, sum);
        }
        let mut rows: Vec<(Place, Sum)> =
            sessions.into_iter().map(|(name, sum)| ((sum.start, name), sum)).collect();
        rows.retain(|(place, _)| after.as_ref().is_none_or(|after| place < after));
        rows.sort_unstable_by(|a, b| b.0.cmp(&a.0));
        let more = rows.len() > query.limit;
        rows.truncate(query.limit);
        let next =
            rows.last().filter(|_| more).and_then(|(at, _)| cursor::write(List::Sessions, at));
        let rows = rows.into_iter().map(|((_, name), sum)| sum.summary(name)).collect();
        Ok(Page { rows, next })
    }
}

/// What is said in traces of the outbox.
#[derive(Default)]
struct Said {
    /// Texts that are in the outbox.
    here: HashMap<i64, Document>,
    /// By phrase, the traces whose shipped texts hold it.
    there: HashMap<String, HashSet<i64>>,
}

impl Said {
    fn finds(&self, trace: i64, phrase: &exhibit_store::filter::TextTerm) -> bool {
        self.there.get(&phrase.text).is_some_and(|found| found.contains(&trace))
            || self.here.get(&trace).is_some_and(|text| text.finds(phrase))
    }
}

/// A session that a statement found.
#[derive(Debug, Row, Serialize, Deserialize)]
struct FoundSession {
    name: String,
    traces: u64,
    span_count: u64,
    failed: u64,
    first: i64,
    last: Option<i64>,
    sum_in: u128,
    sum_out: u128,
    sum_cost: i128,
    people: Vec<String>,
}

/// The traces of a session added up.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Sum {
    traces: u64,
    spans: u64,
    errors: u64,
    start: i64,
    end: Option<i64>,
    tokens_in: u64,
    tokens_out: u64,
    cost: i64,
    users: BTreeSet<String>,
}

impl Sum {
    fn empty(first: &TraceSummary) -> Self {
        Self { start: first.start.0, ..Self::default() }
    }

    fn add(&mut self, trace: &TraceSummary) {
        let usage = trace.usage();
        self.traces += 1;
        self.spans = self.spans.saturating_add(trace.span_count);
        self.errors += u64::from(trace.status() == Status::Error);
        self.start = self.start.min(trace.start.0);
        self.end = self.end.max(trace.end.map(|at| at.0));
        self.tokens_in = self.tokens_in.saturating_add(usage.input_tokens());
        self.tokens_out = self.tokens_out.saturating_add(usage.output_tokens());
        self.cost = self.cost.saturating_add(trace.cost().unwrap_or_default().0);
        self.users.extend(trace.user.clone());
    }

    fn join(&mut self, found: FoundSession) {
        let count = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
        let amount = |n: i128| i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX });
        self.traces += found.traces;
        self.spans = self.spans.saturating_add(found.span_count);
        self.errors += found.failed;
        self.start = self.start.min(found.first);
        self.end = self.end.max(found.last);
        self.tokens_in = self.tokens_in.saturating_add(count(found.sum_in));
        self.tokens_out = self.tokens_out.saturating_add(count(found.sum_out));
        self.cost = self.cost.saturating_add(amount(found.sum_cost));
        self.users.extend(found.people);
    }

    fn summary(self, session: String) -> SessionSummary {
        SessionSummary {
            session,
            trace_count: self.traces,
            span_count: self.spans,
            error_count: self.errors,
            start: Nanos(self.start),
            end: self.end.map(Nanos),
            tokens_in: self.tokens_in,
            tokens_out: self.tokens_out,
            cost_nano_usd: self.cost,
            users: self.users.into_iter().collect(),
        }
    }
}

//! What spans of one trace have in common, kept once per trace.
//!
//! Agent, session, user, tags, metadata and the like repeat on nearly every span of a trace; kept
//! beside each span they were 150 bytes of it. They belong to the trace and not to a dictionary of
//! the installation, so that erasing a trace erases them.

use std::collections::BTreeMap;

use exhibit_model::SpanHead;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use crate::failure::{Result, SqlContext, corrupt};

/// Contexts that are tried for a new span. Beyond them a repetition is stored again.
const RECENT: usize = 8;

/// The fields of a span that its siblings mostly share.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Context {
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    trace_name: Option<String>,
    #[serde(rename = "t", skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(rename = "m", skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

impl Context {
    fn of(head: &SpanHead) -> Self {
        Self {
            agent: head.agent.clone(),
            session: head.session.clone(),
            user: head.user.clone(),
            environment: head.environment.clone(),
            version: head.version.clone(),
            service: head.service.clone(),
            trace_name: head.trace_name.clone(),
            tags: head.tags.clone(),
            metadata: head.metadata.clone(),
        }
    }

    fn is_of(&self, head: &SpanHead) -> bool {
        self.agent == head.agent
            && self.session == head.session
            && self.user == head.user
            && self.environment == head.environment
            && self.version == head.version
            && self.service == head.service
            && self.trace_name == head.trace_name
            && self.tags == head.tags
            && self.metadata == head.metadata
    }

    /// One of a trace's.
    pub(crate) fn load(db: &Connection, trace: i64, number: i64) -> Result<Option<Self>> {
        db.prepare_cached("SELECT body FROM contexts WHERE trace = ?1 AND number = ?2")
            .and_then(|mut s| {
                s.query_row((trace, number), |row| {
                    Ok(super::Columns::of(row).text().and_then(parse))
                })
                .optional()
            })
            .when("reading a context")?
            .transpose()
    }

    /// The agent that it names.
    pub(crate) fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    /// The end user that it names.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Puts the fields back.
    pub(crate) fn fill(&self, head: &mut SpanHead) {
        head.agent.clone_from(&self.agent);
        head.session.clone_from(&self.session);
        head.user.clone_from(&self.user);
        head.environment.clone_from(&self.environment);
        head.version.clone_from(&self.version);
        head.service.clone_from(&self.service);
        head.trace_name.clone_from(&self.trace_name);
        head.tags.clone_from(&self.tags);
        head.metadata.clone_from(&self.metadata);
    }

    pub(crate) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| corrupt(format!("a context: {e}")))
    }
}

/// The last contexts of a trace that is being written.
#[derive(Debug, Default)]
pub(crate) struct RecentContexts {
    recent: Vec<(i64, Context)>,
    count: i64,
}

impl RecentContexts {
    /// Those of a trace that has `count` of them.
    pub(crate) fn load(connection: &Connection, trace: i64, count: i64) -> Result<Self> {
        if count == 0 {
            return Ok(Self::default());
        }
        let doing = "reading recent contexts";
        let mut statement = connection
            .prepare_cached(
                "SELECT number, body FROM contexts WHERE trace = ?1 AND number > ?2 ORDER BY number",
            )
            .when(doing)?;
        let mut rows = statement.query((trace, count - 1 - RECENT as i64)).when(doing)?;
        let mut recent = Vec::new();
        while let Some(row) = rows.next().when(doing)? {
            let mut columns = super::Columns::of(row);
            recent.push((columns.int()?, parse(columns.text()?)?));
        }
        Ok(Self { recent, count })
    }

    /// The number of a span's context, and the context when it is new and has to be written.
    pub(crate) fn number(&mut self, head: &SpanHead) -> (i64, Option<&Context>) {
        if let Some(at) = self.recent.iter().rposition(|(_, context)| context.is_of(head)) {
            return (self.recent[at].0, None);
        }
        if self.recent.len() >= RECENT {
            self.recent.remove(0);
        }
        let number = self.count;
        self.count += 1;
        self.recent.push((number, Context::of(head)));
        (number, self.recent.last().map(|(_, context)| context))
    }

    pub(crate) fn count(&self) -> i64 {
        self.count
    }
}

/// All contexts of a trace.
#[derive(Debug, Default)]
pub(crate) struct Contexts(Vec<Context>);

impl Contexts {
    pub(crate) fn load(connection: &Connection, trace: i64) -> Result<Self> {
        let doing = "reading contexts";
        let mut statement = connection
            .prepare_cached("SELECT number, body FROM contexts WHERE trace = ?1 ORDER BY number")
            .when(doing)?;
        let mut rows = statement.query([trace]).when(doing)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().when(doing)? {
            let mut columns = super::Columns::of(row);
            if columns.int()? != all.len() as i64 {
                return Err(corrupt("a context is missing"));
            }
            all.push(parse(columns.text()?)?);
        }
        Ok(Self(all))
    }

    pub(crate) fn get(&self, number: i64) -> Result<&Context> {
        let place = usize::try_from(number).ok();
        place.and_then(|n| self.0.get(n)).ok_or_else(|| corrupt("a span without its context"))
    }
}

fn parse(json: &str) -> Result<Context> {
    serde_json::from_str(json).map_err(|e| corrupt(format!("a context: {e}")))
}

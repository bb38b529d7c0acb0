//! What reviewers decide about quarantined spans, carried out as a new sealed revision.
//!
//! A decision is delivered like everything else, as a raw attribute, which no client can send. It holds as
//! long as the span holds nothing that the reviewers have not seen.

use std::{collections::BTreeMap, sync::Arc};

use exhibit_govern::Released;
use exhibit_model::{Attribute, Door, Flag, Json, RecordId, Span, SpanId, TraceId, WorkspaceId};
use serde::Deserialize;

use super::group;
use crate::{Error, Recorder, rules::Loaded};

/// The attribute that holds decisions.
pub(super) const KEY: &str = "exhibit.review_decision";

/// What becomes of something quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// It may stand: it is shown like everything else.
    Release,
    /// It is shown with its findings replaced.
    Redact,
    /// Its contents go; that it happened, when, and what it cost stay.
    Erase,
}

impl Handling {
    fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Redact => "redact",
            Self::Erase => "erase",
        }
    }
}

/// A decision about one span.
#[derive(Debug, Clone)]
pub(crate) struct Amendment {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) handling: Handling,
    /// `policy/rule` that kept it apart.
    pub(crate) rule: String,
    /// Findings that the reviewers have seen.
    pub(crate) findings: usize,
}

impl Amendment {
    fn delivery(self) -> Span {
        let mut span = Span::new(self.trace, self.span, Door::Server);
        let value = serde_json::json!({
            "rules": [self.rule], "findings": self.findings, "handling": self.handling.as_str(),
        });
        span.attributes.push(Attribute::new(KEY, value));
        span
    }
}

/// Rules whose word reviewers have overruled on a span.
pub(crate) fn released(span: &Span) -> Option<Released> {
    let held = span.attribute(KEY)?;
    let rules = held.get("rules")?.as_array()?.iter();
    Some(Released {
        rules: rules.filter_map(|rule| rule.as_str().map(str::to_owned)).collect(),
        findings: held.get("findings")?.as_u64()? as usize,
    })
}

/// Whether contents of this record were redacted or erased by a reviewer since it was first kept.
pub(crate) fn is_cleared(span: &Span) -> bool {
    let handling = span.attribute(KEY).and_then(|held| held.get("handling")?.as_str());
    matches!(handling, Some("redact" | "erase"))
}

/// Whether a delivery is a decision.
pub(super) fn is_amendment(delivered: &Span) -> bool {
    delivered.door == Door::Server && delivered.attribute(KEY).is_some()
}

/// Puts a decision on a span as it is kept.
pub(super) fn carry_out(rules: &Loaded, span: &mut Span, delivered: &Span) {
    let Some(decision) = delivered.attribute(KEY) else { return };
    let mut decision = decision.clone();
    if let Some(before) =
        span.attribute(KEY).and_then(|held| held.get("rules")?.as_array().cloned())
        && let Some(rules) = decision.get_mut("rules").and_then(Json::as_array_mut)
    {
        for rule in before {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    span.attributes.retain(|a| a.key != KEY);
    match decision.get("handling").and_then(Json::as_str) {
        Some("redact") => rules.rules.redact_all(span),
        Some("erase") => erase(span),
        _ => {}
    }
    span.attributes.push(Attribute::new(KEY, decision));
}

/// Takes out everything that somebody wrote; what is counted stays.
fn erase(span: &mut Span) {
    span.attributes.clear();
    span.events.clear();
    span.links.clear();
    span.name = Some("erased".to_owned());
    span.status_message = None;
    span.tags.clear();
    span.metadata = BTreeMap::new();
    span.resource = Arc::default();
    span.scope = Arc::default();
    for finding in &mut span.findings {
        finding.redacted = true;
    }
    span.flag(Flag::Withheld);
}

impl Recorder {
    /// Carries out decisions about spans of one trace.
    pub(crate) async fn amend(
        self: &Arc<Self>,
        workspace: WorkspaceId,
        amendments: Vec<Amendment>,
    ) -> Result<(), Error> {
        let clears = amendments.iter().any(|a| a.handling != Handling::Release);
        let spans = amendments.into_iter().map(Amendment::delivery).collect();
        let groups = group::by_trace(spans, &mut Vec::new());
        let known = self.load_known(workspace, &groups).await?;
        let replaced: Vec<RecordId> = known.0.values().map(|stored| stored.record).collect();
        self.record_from(workspace, groups, known).await?;
        if clears {
            // Nobody can read the revisions before from here on.
            self.store.destroy_locks(workspace, &replaced).await?;
        }
        Ok(())
    }
}

//! What reviewers decide about spans that rules have asked them about, carried out as a new sealed revision.
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

/// What becomes of what reviewers have decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// It may stand: it is shown like everything else.
    Release,
    /// It is shown with its findings replaced.
    Redact,
    /// Its contents go; that it happened, when, and what it cost stay.
    Erase,
    /// It stays as it is, and the rule counts as broken: a rejection that says nothing else.
    #[serde(skip)]
    Keep,
}

impl Handling {
    fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Redact => "redact",
            Self::Erase => "erase",
            Self::Keep => "keep",
        }
    }

    fn takes_contents(self) -> bool {
        matches!(self, Self::Redact | Self::Erase)
    }
}

/// A decision about one span.
#[derive(Debug, Clone)]
pub(crate) struct Amendment {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) handling: Handling,
    /// `policy/rule` that asked.
    pub(crate) rule: String,
    /// Whether what happened must not stand.
    pub(crate) rejected: bool,
    /// Findings that the reviewers have seen.
    pub(crate) findings: usize,
}

impl Amendment {
    fn delivery(self) -> Span {
        let mut span = Span::new(self.trace, self.span, Door::Server);
        let mut value = serde_json::json!({
            "rules": [], "findings": self.findings, "handling": self.handling.as_str(),
        });
        if self.handling != Handling::Keep {
            value["rules"] = serde_json::json!([self.rule]);
        }
        if self.rejected {
            value["rejected"] = serde_json::json!([self.rule]);
        }
        span.attributes.push(Attribute::new(KEY, value));
        span
    }
}

/// What reviewers have decided about the rules that spoke of a span.
pub(crate) fn released(span: &Span) -> Option<Released> {
    let held = span.attribute(KEY)?;
    Some(Released {
        rules: rules(held, "rules"),
        rejected: rules(held, "rejected"),
        findings: held.get("findings")?.as_u64()? as usize,
    })
}

fn rules(held: &Json, key: &str) -> Vec<String> {
    let rules = held.get(key).and_then(Json::as_array).into_iter().flatten();
    rules.filter_map(|rule| rule.as_str().map(str::to_owned)).collect()
}

/// Whether contents of this record were redacted or erased by a reviewer since it was first kept.
pub(crate) fn is_cleared(span: &Span) -> bool {
    matches!(handling(span), Some("redact" | "erase"))
}

/// Whether a reviewer has erased the contents of this record.
pub(crate) fn is_erased_by_review(span: &Span) -> bool {
    handling(span) == Some("erase")
}

fn handling(span: &Span) -> Option<&str> {
    span.attribute(KEY)?.get("handling")?.as_str()
}

/// Whether a delivery is a decision.
pub(super) fn is_amendment(delivered: &Span) -> bool {
    delivered.door == Door::Server && delivered.attribute(KEY).is_some()
}

/// Puts a decision on a span as it is kept.
pub(super) fn carry_out(rules: &Loaded, span: &mut Span, delivered: &Span) {
    let Some(decision) = delivered.attribute(KEY) else { return };
    let cleared = is_cleared(span);
    let together = match span.attribute(KEY) {
        Some(held) => after(held, decision, cleared),
        None => decision.clone(),
    };
    span.attributes.retain(|a| a.key != KEY);
    match decision.get("handling").and_then(Json::as_str) {
        Some("redact") => rules.rules.redact_all(span),
        Some("erase") => erase(span),
        _ => {}
    }
    span.attributes.push(Attribute::new(KEY, together));
}

/// Earlier decisions and a new one. About its own rules the new one counts; contents that are gone
/// stay gone.
fn after(held: &Json, decision: &Json, cleared: bool) -> Json {
    let mut together = decision.clone();
    let decided = [rules(decision, "rules"), rules(decision, "rejected")].concat();
    for key in ["rules", "rejected"] {
        let before = rules(held, key).into_iter().filter(|rule| !decided.contains(rule));
        let all: Vec<String> = rules(decision, key).into_iter().chain(before).collect();
        if !all.is_empty() {
            together[key] = all.into();
        }
    }
    let takes = |value: &Json| {
        matches!(value.get("handling").and_then(Json::as_str), Some("redact" | "erase"))
    };
    if cleared && !takes(decision) {
        together["handling"] = held.get("handling").cloned().unwrap_or_default();
    }
    together
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
        let clears = amendments.iter().any(|a| a.handling.takes_contents());
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

//! What lists show: a span's head and a trace's summary, both pure functions of sealed records.
//!
//! A store keeps them as columns; verification computes them again from the records and compares.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    CostSource, Finding, FindingCategory, Flag, NanoUsd, Nanos, Outcome, Span, SpanId, SpanKind,
    Status, TraceId, Usage, Verdict, finding::Action, limits,
};

/// Whether a span's usage and cost count towards its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageRole {
    /// It reports no usage and no cost.
    None,
    /// Its own call: counts, once per response id.
    Leaf,
    /// A container's sum over its children: counts only in a trace that has no leaf usage.
    Aggregate,
}

/// The hot columns of a span: everything that lists, filters, rollups and trace summaries need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanHead {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// Its parent.
    pub parent_id: Option<SpanId>,
    /// Its name; empty while unknown.
    pub name: String,
    /// Its kind.
    pub kind: SpanKind,
    /// Its status.
    pub status: Status,
    /// When it started: the client's stamp, else the time of receipt.
    pub start: Nanos,
    /// When it ended.
    pub end: Option<Nanos>,
    /// Model.
    pub model: Option<String>,
    /// Provider.
    pub provider: Option<String>,
    /// Agent.
    pub agent: Option<String>,
    /// Session.
    pub session: Option<String>,
    /// End user.
    pub user: Option<String>,
    /// Environment.
    pub environment: Option<String>,
    /// Application version.
    pub version: Option<String>,
    /// Sending service.
    pub service: Option<String>,
    /// Tool.
    pub tool: Option<String>,
    /// Name of the trace as a whole.
    pub trace_name: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
    /// Usage, where reported.
    pub usage: Option<Usage>,
    /// Whether it counts.
    pub usage_role: UsageRole,
    /// Provider's response id.
    pub response_id: Option<String>,
    /// Cost, where known.
    pub cost: Option<NanoUsd>,
    /// Where the cost comes from.
    pub cost_source: CostSource,
    /// Time to first token.
    pub ttft: Option<Nanos>,
    /// How it stands with the rules.
    pub verdict: Verdict,
    /// Kept out of search, live view and exports.
    pub quarantined: bool,
    /// How many findings it has, unsure ones left out.
    pub findings: u32,
    /// What its findings are about, each once, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<FindingCategory>,
    /// The rules that spoke against it (outcome warning or fail), as `policy/rule`, each once, in
    /// order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Oddities.
    pub flags: Vec<Flag>,
    /// Short text of the input; filled by the caller, since content is read by `capture`.
    pub input_preview: Option<String>,
    /// Short text of the output.
    pub output_preview: Option<String>,
}

impl SpanHead {
    /// The head of a span. Previews are left empty.
    pub fn of(span: &Span) -> Self {
        let has_usage = span.usage.is_some() || span.cost.amount.is_some();
        let usage_role = match (has_usage, span.kind().is_container()) {
            (false, _) => UsageRole::None,
            (true, false) => UsageRole::Leaf,
            (true, true) => UsageRole::Aggregate,
        };
        Self {
            trace_id: span.trace_id.clone(),
            span_id: span.span_id.clone(),
            parent_id: span.parent_id.clone(),
            name: span.name.clone().unwrap_or_default(),
            kind: span.kind(),
            status: span.status,
            start: span.start.unwrap_or(span.received),
            end: span.end,
            model: span.model.clone(),
            provider: span.provider.clone(),
            agent: span.agent.clone(),
            session: span.session.clone(),
            user: span.user.clone(),
            environment: span.environment.clone(),
            version: span.version.clone(),
            service: span.service.clone(),
            tool: span.tool.clone(),
            trace_name: span.trace_name.clone(),
            tags: span.tags.clone(),
            metadata: span.metadata.clone(),
            usage: span.usage,
            usage_role,
            response_id: span.response_id.clone(),
            cost: span.cost.amount,
            cost_source: span.cost.source,
            ttft: span.ttft,
            verdict: Verdict::of(&span.findings, &span.evaluations, &span.decision),
            quarantined: span.decision.strongest() >= Action::Quarantine,
            findings: u32::try_from(sure(span).count()).unwrap_or(u32::MAX),
            categories: categories(span),
            rules: rules(span),
            flags: span.flags.clone(),
            input_preview: None,
            output_preview: None,
        }
    }

    /// Whether it is a root: no parent, or its own parent.
    pub fn is_root(&self) -> bool {
        self.parent_id.as_ref().is_none_or(|p| *p == self.span_id)
    }

    /// Nanoseconds from start to end.
    pub fn duration(&self) -> Option<Nanos> {
        self.end.and_then(|end| end.0.checked_sub(self.start.0)).filter(|d| *d >= 0).map(Nanos)
    }
}

fn sure(span: &Span) -> impl Iterator<Item = &Finding> {
    span.findings.iter().filter(|finding| finding.is_sure())
}

fn categories(span: &Span) -> Vec<FindingCategory> {
    let all: BTreeSet<_> = sure(span).map(|finding| finding.category).collect();
    all.into_iter().collect()
}

fn rules(span: &Span) -> Vec<String> {
    let against = span.evaluations.iter().filter(|said| said.outcome != Outcome::Pass);
    let all: BTreeSet<_> = against.map(|said| format!("{}/{}", said.policy, said.rule)).collect();
    all.into_iter().collect()
}

/// A trace as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceSummary {
    /// Its id.
    pub trace_id: TraceId,
    /// Its name: as registered, else the root span's, else the earliest span's.
    pub name: Option<String>,
    /// The root span, once seen. The earliest when there are several.
    pub root: Option<SpanId>,
    /// Status of the root span, once seen.
    pub root_status: Option<Status>,
    /// Agent of the trace as a whole.
    pub agent: Option<String>,
    /// Agents that any of its spans names, or its registration.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub agents: BTreeSet<String>,
    /// Session.
    pub session: Option<String>,
    /// End user of the trace as a whole.
    pub user: Option<String>,
    /// End users that any of its spans names, or its registration.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub users: BTreeSet<String>,
    /// Environment.
    pub environment: Option<String>,
    /// Application version.
    pub version: Option<String>,
    /// Sending service.
    pub service: Option<String>,
    /// Tags of all spans.
    pub tags: BTreeSet<String>,
    /// Metadata of all spans; the strongest supplier of a key wins.
    pub metadata: BTreeMap<String, String>,
    /// Earliest start.
    pub start: Nanos,
    /// Latest end.
    pub end: Option<Nanos>,
    /// Spans, running ones included, the registration record not.
    pub span_count: u64,
    /// Spans still running.
    pub running_count: u64,
    /// Spans that failed.
    pub error_count: u64,
    /// Spans marked incomplete.
    pub incomplete_count: u64,
    /// Whether a client has registered the trace as such.
    pub registered: bool,
    /// Models.
    pub models: BTreeSet<String>,
    /// Providers.
    pub providers: BTreeSet<String>,
    /// Tools.
    pub tools: BTreeSet<String>,
    /// Kinds.
    pub kinds: BTreeSet<SpanKind>,
    /// Usage of leaf calls, each response id once.
    pub leaf_usage: Usage,
    /// Leaf calls counted.
    pub leaf_calls: u64,
    /// Known cost of leaf calls.
    pub leaf_cost: NanoUsd,
    /// Leaf calls whose cost is unknown.
    pub leaf_cost_unknown: u64,
    /// Where the costs of leaf calls come from.
    pub cost_sources: BTreeSet<CostSource>,
    /// The largest sum a container reported; counts while there are no leaf calls.
    pub aggregate_usage: Option<Usage>,
    /// The largest cost a container reported.
    pub aggregate_cost: Option<NanoUsd>,
    /// Worst verdict.
    pub verdict: Verdict,
    /// Findings of all spans.
    pub findings: u64,
    /// What the findings of its spans are about.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub categories: BTreeSet<FindingCategory>,
    /// Rules that spoke against it or a span of it, as `policy/rule`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rules: BTreeSet<String>,
    /// Whether any span is quarantined.
    pub quarantined: bool,
    /// Short text of the root's input.
    pub input_preview: Option<String>,
    /// Short text of the root's output.
    pub output_preview: Option<String>,
    /// How strong the supplier of each singular field is: see [`Rank`].
    pub ranks: BTreeMap<String, Rank>,
}

/// Who supplied a singular field: registration before root before others, then the earlier start,
/// then the smaller span id, so that the order of arrival does not matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rank(pub u8, pub Nanos, pub String);

impl Rank {
    fn of(head: &SpanHead) -> Self {
        let class = if head.span_id.is_registration() {
            0
        } else if head.is_root() {
            1
        } else {
            2
        };
        Self(class, head.start, head.span_id.as_str().to_owned())
    }

    /// Whether the supplier is the registration of the trace.
    pub fn is_registration(&self) -> bool {
        self.0 == 0
    }
}

impl TraceSummary {
    /// A trace of which nothing is known yet.
    pub fn new(trace_id: TraceId, start: Nanos) -> Self {
        Self {
            trace_id,
            name: None,
            root: None,
            root_status: None,
            agent: None,
            agents: BTreeSet::new(),
            session: None,
            user: None,
            users: BTreeSet::new(),
            environment: None,
            version: None,
            service: None,
            tags: BTreeSet::new(),
            metadata: BTreeMap::new(),
            start,
            end: None,
            span_count: 0,
            running_count: 0,
            error_count: 0,
            incomplete_count: 0,
            registered: false,
            models: BTreeSet::new(),
            providers: BTreeSet::new(),
            tools: BTreeSet::new(),
            kinds: BTreeSet::new(),
            leaf_usage: Usage::default(),
            leaf_calls: 0,
            leaf_cost: NanoUsd(0),
            leaf_cost_unknown: 0,
            cost_sources: BTreeSet::new(),
            aggregate_usage: None,
            aggregate_cost: None,
            verdict: Verdict::Pass,
            findings: 0,
            categories: BTreeSet::new(),
            rules: BTreeSet::new(),
            quarantined: false,
            input_preview: None,
            output_preview: None,
            ranks: BTreeMap::new(),
        }
    }

    /// Takes in a span's head. `counted` says whether its leaf usage counts: false for the second
    /// span that reports a response id this trace has already counted.
    ///
    /// The result does not depend on the order of arrival. A head cannot be taken out again: when a
    /// revision replaces another, fold the trace anew from all heads unless [`replaces_in_place`]
    /// says otherwise.
    ///
    /// [`replaces_in_place`]: Self::replaces_in_place
    pub fn absorb(&mut self, head: &SpanHead, counted: bool) {
        let rank = Rank::of(head);
        let registration = head.span_id.is_registration();
        let first = self.span_count == 0 && !self.registered;
        if first || head.start < self.start {
            self.start = head.start;
        }
        self.end = self.end.max(head.end);
        self.supply(
            "name",
            &rank,
            |t| &mut t.name,
            head.trace_name.as_ref().or(if head.name.is_empty() { None } else { Some(&head.name) }),
        );
        self.supply("agent", &rank, |t| &mut t.agent, head.agent.as_ref());
        self.supply("session", &rank, |t| &mut t.session, head.session.as_ref());
        self.supply("user", &rank, |t| &mut t.user, head.user.as_ref());
        self.supply("environment", &rank, |t| &mut t.environment, head.environment.as_ref());
        self.supply("version", &rank, |t| &mut t.version, head.version.as_ref());
        self.supply("service", &rank, |t| &mut t.service, head.service.as_ref());
        for (key, value) in &head.metadata {
            let slot = format!("metadata.{key}");
            if self.ranks.get(&slot).is_none_or(|held| rank <= *held) {
                self.metadata.insert(key.clone(), value.clone());
                self.ranks.insert(slot, rank.clone());
            }
        }
        self.agents.extend(head.agent.clone());
        self.users.extend(head.user.clone());
        self.tags.extend(head.tags.iter().cloned());
        self.verdict = self.verdict.max(head.verdict);
        self.findings = self.findings.saturating_add(u64::from(head.findings));
        self.categories.extend(&head.categories);
        self.rules.extend(head.rules.iter().cloned());
        self.quarantined |= head.quarantined;
        if registration {
            self.registered = true;
            return;
        }

        self.span_count += 1;
        match head.status {
            Status::Running => self.running_count += 1,
            Status::Error => self.error_count += 1,
            Status::Incomplete => self.incomplete_count += 1,
            Status::Ok => {}
        }
        self.kinds.insert(head.kind);
        self.models.extend(head.model.clone());
        self.providers.extend(head.provider.clone());
        self.tools.extend(head.tool.clone());
        if head.is_root() && self.ranks.get("root").is_none_or(|held| rank <= *held) {
            self.root = Some(head.span_id.clone());
            self.root_status = Some(head.status);
            self.input_preview.clone_from(&head.input_preview);
            self.output_preview.clone_from(&head.output_preview);
            self.ranks.insert("root".to_owned(), rank);
        }
        self.count_usage(head, counted);
    }

    fn count_usage(&mut self, head: &SpanHead, counted: bool) {
        match head.usage_role {
            UsageRole::Leaf if counted => {
                self.leaf_calls += 1;
                self.leaf_usage.add(&head.usage.unwrap_or_default());
                self.cost_sources.insert(head.cost_source);
                match head.cost {
                    Some(cost) => self.leaf_cost = self.leaf_cost.plus(cost),
                    None => self.leaf_cost_unknown += 1,
                }
            }
            UsageRole::Aggregate => {
                let tokens = |u: &Usage| u.input_tokens().saturating_add(u.output_tokens());
                if let Some(usage) = head.usage
                    && self.aggregate_usage.is_none_or(|held| {
                        (tokens(&held), held.buckets()) < (tokens(&usage), usage.buckets())
                    })
                {
                    self.aggregate_usage = Some(usage);
                }
                self.aggregate_cost = self.aggregate_cost.max(head.cost);
            }
            _ => {}
        }
    }

    fn supply(
        &mut self,
        field: &str,
        rank: &Rank,
        slot: impl FnOnce(&mut Self) -> &mut Option<String>,
        value: Option<&String>,
    ) {
        if let Some(value) = value
            && self.ranks.get(field).is_none_or(|held| rank <= held)
        {
            *slot(self) = Some(value.clone());
            self.ranks.insert(field.to_owned(), rank.clone());
        }
    }

    /// Whether replacing one revision of a span by another may be done by adjusting counts alone,
    /// because everything else the old one supplied is supplied again by the new one: the common
    /// case of `running` followed by its end.
    pub fn replaces_in_place(old: &SpanHead, new: &SpanHead) -> bool {
        fn kept<T: PartialEq>(old: Option<&T>, new: Option<&T>) -> bool {
            old.is_none() || old == new
        }
        old.status == Status::Running
            && old.usage_role == UsageRole::None
            && old.findings == 0
            && old.verdict == Verdict::Pass
            && old.rules.is_empty()
            && old.end.is_none()
            && (old.start, &old.parent_id, old.kind) == (new.start, &new.parent_id, new.kind)
            && (old.name == new.name || old.name.is_empty())
            && kept(old.model.as_ref(), new.model.as_ref())
            && kept(old.provider.as_ref(), new.provider.as_ref())
            && kept(old.tool.as_ref(), new.tool.as_ref())
            && kept(old.agent.as_ref(), new.agent.as_ref())
            && kept(old.session.as_ref(), new.session.as_ref())
            && kept(old.user.as_ref(), new.user.as_ref())
            && kept(old.environment.as_ref(), new.environment.as_ref())
            && kept(old.version.as_ref(), new.version.as_ref())
            && kept(old.service.as_ref(), new.service.as_ref())
            && kept(old.trace_name.as_ref(), new.trace_name.as_ref())
            && old.tags.iter().all(|tag| new.tags.contains(tag))
            && old.metadata.keys().all(|key| new.metadata.contains_key(key))
    }

    /// Forgets the count of a running span that is about to be absorbed again under
    /// [`replaces_in_place`](Self::replaces_in_place).
    pub fn release_running(&mut self, old: &SpanHead) {
        if !old.span_id.is_registration() {
            self.span_count = self.span_count.saturating_sub(1);
            self.running_count = self.running_count.saturating_sub(1);
        }
    }

    /// How the trace stands: running while any span runs or nothing but its registration is known;
    /// then as its root; without a root, as its worst span.
    pub fn status(&self) -> Status {
        if self.running_count > 0 || self.span_count == 0 {
            return Status::Running;
        }
        match self.root_status {
            Some(status) => status,
            None if self.error_count > 0 => Status::Error,
            None if self.incomplete_count > 0 => Status::Incomplete,
            None => Status::Ok,
        }
    }

    /// The usage that counts: the leaf calls', else the largest container's.
    pub fn usage(&self) -> Usage {
        if self.leaf_calls > 0 { self.leaf_usage } else { self.aggregate_usage.unwrap_or_default() }
    }

    /// The cost that counts; none when nothing is known.
    pub fn cost(&self) -> Option<NanoUsd> {
        if self.leaf_calls == 0 {
            return self.aggregate_cost;
        }
        (self.leaf_calls > self.leaf_cost_unknown).then_some(self.leaf_cost)
    }

    /// Nanoseconds from the earliest start to the latest end.
    pub fn duration(&self) -> Option<Nanos> {
        self.end.and_then(|end| end.0.checked_sub(self.start.0)).filter(|d| *d >= 0).map(Nanos)
    }

    /// Whether a container reports more or less than its leaf calls add up to.
    pub fn usage_mismatch(&self) -> bool {
        self.leaf_calls > 0
            && self.aggregate_usage.is_some_and(|sum| {
                (sum.input_tokens(), sum.output_tokens())
                    != (self.leaf_usage.input_tokens(), self.leaf_usage.output_tokens())
            })
    }
}

/// Cuts text to a preview of [`limits::PREVIEW_CHARS`] characters, one line.
pub fn preview(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(limits::PREVIEW_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(limits::PREVIEW_CHARS).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Door;

    fn head(id: &str, parent: Option<&str>, start: i64, status: Status) -> SpanHead {
        let mut span =
            Span::new(TraceId::new("t").unwrap(), SpanId::new(id).unwrap(), Door::Native);
        span.parent_id = parent.map(|p| SpanId::new(p).unwrap());
        span.name = Some(format!("span {id}"));
        span.start = Some(Nanos(start));
        span.end = status.is_terminal().then_some(Nanos(start + 10));
        span.status = status;
        span.metadata.insert("k".into(), id.into());
        SpanHead::of(&span)
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let heads = [
            head("root", None, 5, Status::Ok),
            head("a", Some("root"), 6, Status::Error),
            head("b", Some("root"), 4, Status::Ok),
        ];
        let fold = |order: [usize; 3]| {
            let mut trace = TraceSummary::new(TraceId::new("t").unwrap(), Nanos(0));
            for i in order {
                trace.absorb(&heads[i], true);
            }
            trace
        };
        let expected = fold([0, 1, 2]);
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            assert_eq!(fold(order), expected);
        }
        assert_eq!(expected.name.as_deref(), Some("span root"));
        assert_eq!(expected.metadata["k"], "root");
        assert_eq!((expected.start, expected.status()), (Nanos(4), Status::Ok));
    }

    #[test]
    fn a_running_span_that_ends_is_counted_once() {
        let mut trace = TraceSummary::new(TraceId::new("t").unwrap(), Nanos(0));
        let (running, done) = (head("a", None, 1, Status::Running), head("a", None, 1, Status::Ok));
        trace.absorb(&running, true);
        assert_eq!(trace.status(), Status::Running);
        assert!(TraceSummary::replaces_in_place(&running, &done));
        trace.release_running(&running);
        trace.absorb(&done, true);
        assert_eq!((trace.status(), trace.span_count), (Status::Ok, 1));
    }
}

//! The report of a bundle: what happened, who reviewed it, what was found, what is proved, how to
//! check it. For people who read paper.
//!
//! [`Draft`] gathers what the bundle shows; [`Draft::document`] makes a plain document of it, which
//! [`html`] and [`pdf`] write down. A report repeats what the records say and is proved only as one of
//! the bundle's signed files: in a dispute the records count, and the report says so.

mod html;
mod pdf;

use exhibit_ledger::Hash;
use exhibit_model::{Nanos, Span, TraceSummary};

use crate::{
    manifest::{Counts, LogHead, Selection},
    verify::Erasure,
};

pub use html::html;
pub use pdf::pdf;

/// Traces that the report lists.
pub const TRACES_MAX: usize = 500;
/// Spans that the report tells in full, over all traces.
pub const SPANS_MAX: usize = 500;
/// Longest text of a span's input or output, in characters; the rest stands in the records.
const TEXT_CHARS_MAX: usize = 4_000;

/// What is proved: the sentence of the documentation, word for word.
const PROVED: &str = "Given the log's key pinned from outside, and one checkpoint obtained \
    independently of the operator, a verifier proves that these bytes, as stored after redaction, \
    stood at these positions by that checkpoint and are unchanged, and, for a complete range of a \
    log, that none is missing. It does not prove that the content is true, that the client sent \
    everything, that the clocks were right, that a filtered selection is complete, or anything \
    after that checkpoint. Without an independent checkpoint it finds every change made by someone \
    who does not hold the signing key, and only those.";

/// A trace of the report.
#[derive(Debug, Clone)]
pub struct ReportTrace {
    /// What lists show of it.
    pub summary: TraceSummary,
    /// Its spans, by start; those beyond [`SPANS_MAX`] are left out.
    pub spans: Vec<ReportSpan>,
    /// Root and place of its latest seal.
    pub seal: Option<(Hash, u64)>,
}

/// A span of the report.
#[derive(Debug, Clone)]
pub struct ReportSpan {
    /// Its mapped fields.
    pub span: Span,
    /// What was asked, as text; none where it is withheld.
    pub input: Option<String>,
    /// What came back.
    pub output: Option<String>,
    /// Fingerprint and place of its leaf.
    pub leaf: (Hash, u64),
}

/// What a report is made of.
#[derive(Debug, Clone)]
pub struct Draft {
    /// When, RFC 3339.
    pub created: String,
    /// The head that the proofs lead to.
    pub log: LogHead,
    /// The log's verifier key.
    pub key: String,
    /// What was asked for.
    pub selection: Selection,
    /// What came of it.
    pub counts: Counts,
    /// The traces, at most [`TRACES_MAX`].
    pub traces: Vec<ReportTrace>,
    /// Certificates of what was erased.
    pub erasures: Vec<Erasure>,
}

/// A report, ready to be written in any form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    title: String,
    blocks: Vec<Block>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Block {
    Heading(u8, String),
    Paragraph(String),
    Quote(String),
    /// Name and value, line by line.
    Facts(Vec<(&'static str, String)>),
    Table(Vec<&'static str>, Vec<Vec<String>>),
    /// Text as it stands in a record, under a label.
    Text(&'static str, String),
}

impl Draft {
    /// Puts it in words.
    pub fn document(&self) -> Document {
        let mut out = Document { title: "Evidence report".to_owned(), blocks: Vec::new() };
        self.opening(&mut out);
        self.happened(&mut out);
        self.found(&mut out);
        self.reviewed(&mut out);
        self.erased(&mut out);
        self.proved(&mut out);
        self.traces.iter().for_each(|trace| trace.tell(&mut out));
        out
    }

    fn opening(&self, out: &mut Document) {
        let asked = match (&self.selection.trace_id, &self.selection.filter) {
            (Some(id), _) => format!("trace {id}"),
            (None, Some(filter)) => format!("traces that match: {filter}"),
            (None, None) => "every trace".to_owned(),
        };
        let mut facts = vec![
            ("Selection", asked),
            ("Workspace", self.selection.workspace.clone()),
            ("Made", self.created.clone()),
            ("Traces", self.counts.traces.to_string()),
            ("Records", self.counts.records.to_string()),
        ];
        if self.counts.pending > 0 {
            let pending = self.counts.pending;
            facts.push(("Left out", format!("{pending} records that were not sealed yet")));
        }
        if !self.selection.withheld.is_empty() {
            let withheld = self.selection.withheld.join(", ");
            facts.push(("Withheld", format!("{withheld}; shown by their hashes only")));
        }
        out.blocks.push(Block::Facts(facts));
        out.say(
            "This report repeats what the records beside it say. The records can be checked \
             against the signed log; in doubt, they count.",
        );
    }

    fn happened(&self, out: &mut Document) {
        out.heading(1, "What happened");
        let rows = self.traces.iter().map(|trace| {
            let s = &trace.summary;
            let models: Vec<&str> = s.models.iter().map(String::as_str).collect();
            vec![
                s.start.to_rfc3339(),
                s.name.clone().unwrap_or_else(|| s.trace_id.to_string()),
                models.join(", "),
                s.span_count.to_string(),
                s.error_count.to_string(),
                usd(s.leaf_cost.to_usd(), s.leaf_cost_unknown),
            ]
        });
        let columns = vec!["Start", "Trace", "Models", "Spans", "Errors", "Cost, USD"];
        out.blocks.push(Block::Table(columns, rows.collect()));
        let shown = self.traces.len() as u64;
        if shown < self.counts.traces {
            let more = self.counts.traces - shown;
            out.say(&format!("{more} more traces stand in traces/ and in the records."));
        }
    }

    fn found(&self, out: &mut Document) {
        out.heading(1, "What was found");
        let spans = || self.traces.iter().flat_map(|trace| &trace.spans);
        let rows = spans().flat_map(|one| {
            let place = || vec![one.span.trace_id.to_string(), name(&one.span)];
            let findings = one.span.findings.iter().map(move |f| {
                let what = format!("{} ({})", f.entity, f.rule);
                let after = if f.redacted { "replaced before storage" } else { "kept" };
                [place(), vec![what, f.severity.as_str().into(), after.into()]].concat()
            });
            let broken = one.span.evaluations.iter().filter(|e| e.outcome.as_str() != "pass");
            let evaluations = broken.map(move |e| {
                let what = format!("{}: {}", e.policy, e.message);
                [place(), vec![what, e.severity.as_str().into(), e.outcome.as_str().into()]]
                    .concat()
            });
            findings.chain(evaluations)
        });
        let rows: Vec<_> = rows.take(1_000).collect();
        if rows.is_empty() {
            out.say("No detector and no rule found anything in the spans told below.");
        } else {
            let columns = vec!["Trace", "Span", "Finding", "Severity", "Outcome"];
            out.blocks.push(Block::Table(columns, rows));
        }
    }

    fn reviewed(&self, out: &mut Document) {
        out.heading(1, "Who reviewed it");
        let wanted = self.traces.iter().flat_map(|t| &t.spans).filter(|one| {
            one.span.decision.actions.iter().any(|a| matches!(a.as_str(), "review" | "block"))
        });
        let wanted = wanted.count();
        out.say(&match wanted {
            0 => "The rules asked for no review of the spans told below, and this selection holds \
                  no record of one."
                .to_owned(),
            n => format!(
                "The rules asked for a review of {n} of the spans told below. This selection \
                 holds no record of a reviewer's decision."
            ),
        });
    }

    fn erased(&self, out: &mut Document) {
        if self.erasures.is_empty() {
            return;
        }
        out.heading(1, "What was erased");
        out.say(
            "These records were taken away before this bundle was made. Their leaves stay in the log, \
             and each act that took records away is sealed there as a certificate; erasures/ shows it.",
        );
        let rows = self.erasures.iter().take(TRACES_MAX).map(|one| {
            vec![
                one.at.clone(),
                one.cause.clone(),
                one.why.clone(),
                one.by.clone().unwrap_or_else(|| "not recorded".to_owned()),
                one.records.to_string(),
                one.index.to_string(),
            ]
        });
        let columns = vec!["When", "Cause", "Reason", "By", "Records", "Leaf"];
        out.blocks.push(Block::Table(columns, rows.collect()));
    }

    fn proved(&self, out: &mut Document) {
        out.heading(1, "What is proved");
        out.blocks.push(Block::Quote(PROVED.to_owned()));
        out.blocks.push(Block::Facts(vec![
            ("Log", self.log.origin.clone()),
            ("Leaves", self.log.size.to_string()),
            ("Root", self.log.root.clone()),
            ("Key", self.key.clone()),
        ]));
        out.heading(1, "How to check it");
        out.say(
            "With no server and no network, by any one of three programs that share no code: \
             `exhibit verify FILE.zip`, `python3 exhibit_verify.py FILE.zip` (the file is in this \
             bundle, under verifier/), or the verification page of a dashboard. Give each the key \
             as you know it from elsewhere (--key) and a checkpoint that you have kept or that \
             witnesses have cosigned. README.txt tells more.",
        );
    }
}

impl ReportTrace {
    fn tell(&self, out: &mut Document) {
        let s = &self.summary;
        out.heading(1, &format!("Trace {}", s.name.as_deref().unwrap_or(s.trace_id.as_str())));
        let mut facts = vec![
            ("Id", s.trace_id.to_string()),
            ("Start", s.start.to_rfc3339()),
            ("End", s.end.map_or_else(|| "not known".to_owned(), Nanos::to_rfc3339)),
            ("Spans", s.span_count.to_string()),
            ("Cost, USD", usd(s.leaf_cost.to_usd(), s.leaf_cost_unknown)),
        ];
        for (name, value) in [
            ("Agent", &s.agent),
            ("Session", &s.session),
            ("User", &s.user),
            ("Environment", &s.environment),
        ] {
            facts.extend(value.clone().map(|value| (name, value)));
        }
        if let Some((root, index)) = &self.seal {
            facts.push(("Sealed", format!("{root} over its spans, in leaf {index}")));
        }
        out.blocks.push(Block::Facts(facts));
        self.spans.iter().for_each(|span| span.tell(out));
        let told = self.spans.len() as u64;
        if told < s.span_count {
            let more = s.span_count - told;
            out.say(&format!("{more} more spans of this trace stand in the records."));
        }
    }
}

impl ReportSpan {
    fn tell(&self, out: &mut Document) {
        let span = &self.span;
        out.heading(2, &name(span));
        let mut facts = Vec::new();
        let kind = span.kind.map_or("span", |kind| kind.as_str());
        let mut what = vec![kind.to_owned(), span.status.as_str().to_owned()];
        what.extend(span.model.clone());
        facts.push(("What", what.join(", ")));
        if let Some(start) = span.start {
            let end = span.end.map(|end| format!(" to {}", end.to_rfc3339())).unwrap_or_default();
            facts.push(("When", format!("{}{end}", start.to_rfc3339())));
        }
        if let Some(usage) = &span.usage {
            let (sent, received) = (usage.input_tokens(), usage.output_tokens());
            facts.push(("Tokens", format!("{sent} in, {received} out")));
        }
        if let Some(amount) = span.cost.amount {
            let cost = format!("{} ({})", usd(amount.to_usd(), 0), span.cost.source.as_str());
            facts.push(("Cost, USD", cost));
        }
        facts.extend(span.status_message.clone().map(|why| ("Why", why)));
        if !span.decision.is_allow() {
            let actions: Vec<&str> = span.decision.actions.iter().map(|a| a.as_str()).collect();
            facts.push(("Decision", actions.join(", ")));
        }
        let (fingerprint, index) = &self.leaf;
        facts.push(("Fingerprint", format!("{fingerprint} (leaf {index})")));
        out.blocks.push(Block::Facts(facts));
        for (label, text) in [("Input", &self.input), ("Output", &self.output)] {
            if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
                out.blocks.push(Block::Text(label, shortened(text)));
            }
        }
    }
}

impl Document {
    fn heading(&mut self, level: u8, text: &str) {
        self.blocks.push(Block::Heading(level, text.to_owned()));
    }

    fn say(&mut self, text: &str) {
        self.blocks.push(Block::Paragraph(text.to_owned()));
    }
}

fn name(span: &Span) -> String {
    span.name.clone().unwrap_or_else(|| span.span_id.to_string())
}

fn usd(amount: f64, unknown: u64) -> String {
    let more =
        if unknown > 0 { format!(" and {unknown} calls of unknown cost") } else { String::new() };
    format!("{amount:.6}{more}")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((at, _)) => format!("{} … (the rest stands in the record)", &text[..at]),
        None => text.to_owned(),
    }
}

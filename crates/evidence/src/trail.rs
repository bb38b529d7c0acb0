//! Agent audit trails: records as JSON lines, chained, after draft-sharif-agent-audit-trail-06.
//!
//! One chain per session. The hash of a record is SHA-256 over its canonical JSON (RFC 8785) and stands in
//! the next as `prev_hash`; the first of a session says that it starts. Contents are named by the salted
//! hashes under the record's leaf and never shown, so a line can be matched with a bundle and guessed from
//! nothing. The draft's chain finds no cut-off end; what does is named beside it: `exhibit` holds log, index
//! and fingerprint of the record.
//!
//! We see what agents report and enforce nothing at their side, so the level of trust is `L1`. Nothing is
//! signed with ES256: the log's signature is the checkpoint's.

use std::collections::HashMap;

use exhibit_ledger::canonical::{CanonicalError, canonicalize};
use exhibit_model::{Action, Span, SpanKind, Status};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// What we can vouch for.
const TRUST_LEVEL: &str = "L1";

/// A sealed record, as a trail names it.
#[derive(Debug, Clone)]
pub struct Entry<'s> {
    /// The record.
    pub span: &'s Span,
    /// Its id in the ledger.
    pub record: [u8; 16],
    /// Salted hashes of its input and output.
    pub hashes: [String; 2],
    /// Log that holds its leaf.
    pub log: &'s str,
    /// Index of the leaf.
    pub index: u64,
    /// The leaf's hash, hex.
    pub fingerprint: String,
}

/// Where each session's chain stands.
#[derive(Debug, Default)]
pub struct Trail {
    chains: HashMap<String, Link>,
}

/// The last record of a chain.
#[derive(Debug, Clone)]
struct Link {
    record_id: String,
    hash: String,
}

impl Trail {
    /// The lines of one record, each with its line feed: the record's, and before it the start of its
    /// session where that is its first.
    ///
    /// # Errors
    /// A number that canonical JSON cannot hold; none is ever written.
    pub fn lines(&mut self, entry: &Entry<'_>) -> Result<Vec<u8>, CanonicalError> {
        let span = entry.span;
        let session = span.session.clone().filter(|_| !span.decision.is_quarantine());
        let session = session.unwrap_or_else(|| span.trace_id.to_string());
        let mut out = Vec::new();
        if !self.chains.contains_key(&session) {
            let mut id = entry.record;
            // Another id that follows from the first record's, so that two exports say the same.
            id.iter_mut().for_each(|byte| *byte = !*byte);
            let detail = json!({ "event": "session_start", "recording_mode": "observed" });
            let class = Class { action: "lifecycle", outcome: "success", phase: "concurrent" };
            self.append(&session, &id, span, (class, detail), None, &mut out)?;
        }
        let place = json!({
            "log": entry.log,
            "index": entry.index.to_string(),
            "fingerprint": entry.fingerprint,
            "trace_id": span.trace_id.as_str(),
            "span_id": span.span_id.as_str(),
        });
        self.append(&session, &entry.record, span, class_of(entry), Some(place), &mut out)?;
        Ok(out)
    }

    fn append(
        &mut self,
        session: &str,
        id: &[u8; 16],
        span: &Span,
        (class, detail): (Class, Value),
        place: Option<Value>,
        out: &mut Vec<u8>,
    ) -> Result<(), CanonicalError> {
        let before = self.chains.get(session);
        let record_id = uuid(id);
        let agent = if span.decision.is_quarantine() {
            "withheld"
        } else {
            span.agent.as_deref().or(span.service.as_deref()).unwrap_or("unknown")
        };
        let mut record = Map::new();
        let mut put = |name: &str, value: Value| drop(record.insert(name.to_owned(), value));
        put("record_id", record_id.clone().into());
        put("timestamp", span.end.or(span.start).unwrap_or(span.received).to_rfc3339().into());
        put("agent_id", agent.into());
        put("agent_version", span.version.as_deref().unwrap_or("unknown").into());
        put("session_id", session.into());
        put("action_type", class.action.into());
        put("action_detail", detail);
        put("outcome", class.outcome.into());
        put("trust_level", TRUST_LEVEL.into());
        put("parent_record_id", before.map(|link| link.record_id.clone()).into());
        put("prev_hash", before.map(|link| link.hash.clone()).into());
        put("record_phase", class.phase.into());
        if let Some(place) = place {
            put("exhibit", place);
        }
        let line = canonicalize(&Value::Object(record))?;
        let hash = hex::encode(Sha256::digest(&line));
        self.chains.insert(session.to_owned(), Link { record_id, hash });
        out.extend_from_slice(&line);
        out.push(b'\n');
        Ok(())
    }
}

/// How the draft classes an action.
struct Class {
    action: &'static str,
    outcome: &'static str,
    phase: &'static str,
}

fn class_of(entry: &Entry<'_>) -> (Class, Value) {
    let span = entry.span;
    if span.decision.is_quarantine() {
        // What is held back is told by its outcome alone; by the draft's rule, before the act.
        let blocked = span.decision.strongest() >= Action::Block;
        let outcome = if blocked { "denied" } else { "escalated" };
        let class = Class { action: "escalation", outcome, phase: "pre_execution" };
        return (class, json!({ "reason": "held back by a rule" }));
    }
    let [input, output] = &entry.hashes;
    let name = span.name.as_deref().unwrap_or_default();
    let (action, detail) = match span.kind() {
        SpanKind::Tool => {
            let tool = span.tool.as_deref().unwrap_or(name);
            let detail =
                json!({ "tool_name": tool, "parameters_hash": input, "response_hash": output });
            ("tool_call", detail)
        }
        SpanKind::Agent if span.parent_id.is_some() => {
            ("delegation", json!({ "delegate": name, "parameters_hash": input }))
        }
        SpanKind::Llm => {
            let detail = json!({
                "decision": name,
                "model": span.model,
                "provider": span.provider,
                "parameters_hash": input,
                "response_hash": output,
            });
            ("decision", detail)
        }
        _ => ("lifecycle", json!({ "event": "step", "name": name })),
    };
    let outcome = match span.status {
        Status::Error => "failure",
        Status::Incomplete => "timeout",
        _ => "success",
    };
    (Class { action, outcome, phase: "post_execution" }, detail)
}

/// Sixteen bytes as a UUID of version 8 (RFC 9562: of our own making).
fn uuid(id: &[u8; 16]) -> String {
    let mut id = *id;
    id[6] = (id[6] & 0x0f) | 0x80;
    id[8] = (id[8] & 0x3f) | 0x80;
    let text = hex::encode(id);
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    parts.join("-")
}

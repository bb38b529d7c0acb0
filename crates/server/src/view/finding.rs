//! Findings, with offsets that people and programs can use.

use exhibit_model::{Finding, Json, Part, Span};
use serde::Serialize;
use utoipa::ToSchema;

/// Something a detector found. Never the matched text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingView {
    /// The detector's rule.
    rule: String,
    /// What it found.
    entity: String,
    /// `pii`, `secret`, `injection`, `term`.
    category: &'static str,
    /// `low`, `medium`, `high`, `critical`.
    severity: &'static str,
    /// The part of the record it stands in.
    part: &'static str,
    /// JSON pointer (RFC 6901) into that part.
    pointer: String,
    /// Code point offset of the match in that text. Null where the text was redacted: then only the
    /// byte offsets before redaction are known.
    start: Option<usize>,
    /// Code point offset after the match.
    end: Option<usize>,
    /// Byte offset (UTF-8) of the match, before redaction.
    start_byte: usize,
    /// Byte offset after the match.
    end_byte: usize,
    /// How sure, 0 to 1.
    score: f64,
    /// Whether a checksum or structure confirmed it.
    validated: bool,
    /// Keyed fingerprint of the matched text: the same value seen again has the same one.
    fingerprint: String,
    /// Whether the text was replaced before it was stored.
    redacted: bool,
}

/// The findings of a span.
pub(crate) fn findings(span: &Span) -> Vec<FindingView> {
    span.findings.iter().map(|finding| view(span, finding)).collect()
}

fn view(span: &Span, finding: &Finding) -> FindingView {
    // A redaction anywhere in the text moves what follows.
    let same_place = |f: &&Finding| (f.part, &f.pointer) == (finding.part, &finding.pointer);
    let moved = span.findings.iter().filter(same_place).any(|f| f.redacted);
    let text = if moved { None } else { text_at(span, finding.part, &finding.pointer) };
    let points = |at: usize| text.and_then(|t| t.get(..at)).map(|before| before.chars().count());
    FindingView {
        rule: finding.rule.clone(),
        entity: finding.entity.clone(),
        category: finding.category.as_str(),
        severity: finding.severity.as_str(),
        part: finding.part.as_str(),
        pointer: finding.pointer.clone(),
        start: points(finding.start),
        end: points(finding.end),
        start_byte: finding.start,
        end_byte: finding.end,
        score: f64::from(finding.score_milli) / 1e3,
        validated: finding.validated,
        fingerprint: finding.fingerprint.clone(),
        redacted: finding.redacted,
    }
}

/// The text that a pointer leads to.
fn text_at<'a>(span: &'a Span, part: Part, pointer: &str) -> Option<&'a str> {
    match part {
        Part::Header => match pointer {
            "/name" => span.name.as_deref(),
            "/status_message" => span.status_message.as_deref(),
            _ => None,
        },
        Part::Input | Part::Output | Part::Attributes => {
            let (key, rest) = split(pointer)?;
            let attribute = span.attributes.iter().find(|a| a.part == part && a.key == key)?;
            attribute.value.pointer(rest)?.as_str()
        }
        Part::Events => {
            let (list, rest) = split(pointer)?;
            let (index, rest) = split(rest)?;
            let (field, rest) = split(rest)?;
            let index: usize = index.parse().ok()?;
            let attribute = |attributes: &'a exhibit_model::JsonMap| -> Option<&'a Json> {
                let (key, rest) = split(rest)?;
                attributes.get(&key)?.pointer(rest)
            };
            match (list.as_str(), field.as_str()) {
                ("events", "name") => Some(&span.events.get(index)?.name),
                ("events", "attributes") => {
                    attribute(&span.events.get(index)?.attributes)?.as_str()
                }
                ("events", "body") => {
                    span.events.get(index)?.body.as_ref()?.pointer(rest)?.as_str()
                }
                ("links", "attributes") => attribute(&span.links.get(index)?.attributes)?.as_str(),
                _ => None,
            }
        }
    }
}

/// The first step of a pointer, and the rest.
fn split(pointer: &str) -> Option<(String, &str)> {
    let path = pointer.strip_prefix('/')?;
    let end = path.find('/').unwrap_or(path.len());
    let (step, rest) = path.split_at(end);
    Some((step.replace("~1", "/").replace("~0", "~"), rest))
}

#[cfg(test)]
mod tests {
    use exhibit_model::{Attribute, Door, SpanId, TraceId};

    use super::*;

    #[test]
    fn a_pointer_leads_to_its_text() {
        let mut span =
            Span::new(TraceId::new("t").unwrap(), SpanId::new("s").unwrap(), Door::Native);
        span.name = Some("a name".into());
        span.attributes.push(Attribute {
            key: "a/b".into(),
            value: serde_json::json!([{ "text": "früh 4111" }]),
            part: Part::Input,
        });
        assert_eq!(text_at(&span, Part::Input, "/a~1b/0/text"), Some("früh 4111"));
        assert_eq!(text_at(&span, Part::Header, "/name"), Some("a name"));
        assert_eq!(text_at(&span, Part::Output, "/a~1b/0/text"), None);
        assert_eq!(text_at(&span, Part::Events, "/events/7/name"), None);
    }
}

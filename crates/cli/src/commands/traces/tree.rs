//! The spans of a trace as a tree.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::{output::clipped, remote::Remote};

use super::{cost, text, took};

/// Most spans that are fetched; a larger trace is for the dashboard.
const SPANS_MAX: usize = 20_000;
/// Deepest level that is drawn; deeper spans stand at it.
const DEPTH_MAX: usize = 64;

/// Every span of a trace, without payloads.
pub(super) async fn all_spans(
    remote: &Remote,
    trace_path: &str,
    workspace: &str,
) -> anyhow::Result<Vec<Value>> {
    let path = format!("{trace_path}/spans");
    let mut spans = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("limit", "1000")];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let Some(mut answer) = remote.get(&path, &query, workspace).await? else { break };
        if let Some(Value::Array(page)) = answer.get_mut("data").map(Value::take) {
            spans.extend(page);
        }
        let next = answer.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if next.is_none() || next == cursor || spans.len() >= SPANS_MAX {
            break;
        }
        cursor = next;
    }
    Ok(spans)
}

/// One line per span, children below their parents.
pub(super) fn lines(spans: &[Value]) -> Vec<String> {
    let ids: HashSet<&str> = spans.iter().map(|span| text(span, "span_id")).collect();
    let mut children: HashMap<&str, Vec<&Value>> = HashMap::new();
    let mut roots = Vec::new();
    for span in spans {
        let parent = text(span, "parent_span_id");
        // A span whose parent has not arrived, or that is its own, stands at the top.
        if parent != text(span, "span_id") && ids.contains(parent) {
            children.entry(parent).or_default().push(span);
        } else {
            roots.push(span);
        }
    }
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    draw(roots, &children, &mut seen, &mut out);
    // Spans on a cycle hang on no root.
    let rest =
        spans.iter().filter(|span| !seen.contains(text(span, "span_id"))).collect::<Vec<_>>();
    for span in rest {
        if !seen.contains(text(span, "span_id")) {
            draw(vec![span], &children, &mut seen, &mut out);
        }
    }
    out
}

fn draw<'a>(
    roots: Vec<&'a Value>,
    children: &HashMap<&str, Vec<&'a Value>>,
    seen: &mut HashSet<&'a str>,
    out: &mut Vec<String>,
) {
    let mut waiting: Vec<(&Value, usize)> = roots.into_iter().rev().map(|s| (s, 0)).collect();
    while let Some((span, depth)) = waiting.pop() {
        let id = text(span, "span_id");
        if !seen.insert(id) {
            continue;
        }
        let indent = "  ".repeat(depth.min(DEPTH_MAX));
        let mut line = format!(
            "{indent}{} [{}] {} {}",
            clipped(text(span, "name"), 60),
            text(span, "span_type"),
            text(span, "status"),
            took(span)
        );
        let model = text(span, "model");
        if !model.is_empty() {
            line.push_str("  ");
            line.push_str(&clipped(model, 60));
        }
        if !text(span, "cost_nano_usd").is_empty() {
            line.push_str("  ");
            line.push_str(&cost(span));
        }
        out.push(line);
        let below = children.get(id).map_or(&[][..], Vec::as_slice);
        waiting.extend(below.iter().rev().map(|child| (*child, depth + 1)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::lines;

    fn span(id: &str, parent: Option<&str>) -> serde_json::Value {
        json!({"span_id": id, "parent_span_id": parent, "name": id, "span_type": "tool", "status": "ok"})
    }

    #[test]
    fn children_stand_below_their_parents() {
        let spans = [span("c", Some("b")), span("a", None), span("b", Some("a"))];
        let lines = lines(&spans);
        assert!(lines[0].starts_with("a "));
        assert!(lines[1].starts_with("  b "));
        assert!(lines[2].starts_with("    c "));
    }

    #[test]
    fn orphans_and_cycles_are_shown_once() {
        let spans = [span("o", Some("gone")), span("x", Some("y")), span("y", Some("x"))];
        assert_eq!(lines(&spans).len(), 3);
    }
}

//! Where a phrase stands in a trace.

use serde_json::Value;

use super::{number, text};
use crate::{
    output::{Output, Style, printable},
    remote::Remote,
};

/// Spans with hits after which no more are fetched.
const SPANS_MAX: usize = 1_000;

/// The spans in which the phrase stands, in order of start; whether there are more. None: there is no
/// such trace.
pub(super) async fn find(
    remote: &Remote,
    trace_path: &str,
    phrase: &str,
    workspace: &str,
) -> anyhow::Result<Option<(Vec<Value>, bool)>> {
    let path = format!("{trace_path}/search");
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("q", phrase)];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let Some(mut answer) = remote.get(&path, &query, workspace).await? else {
            return Ok(None);
        };
        if let Some(Value::Array(page)) = answer.get_mut("data").map(Value::take) {
            found.extend(page);
        }
        cursor = answer.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() || found.len() >= SPANS_MAX {
            break;
        }
    }
    Ok(Some((found, cursor.is_some())))
}

/// Each hit on a line of its own, below its span.
pub(super) fn lines(found: &[Value], output: Output) -> Vec<String> {
    let mut lines = Vec::new();
    for span in found {
        let hits = span.get("hits").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        lines.push(output.styled(Style::Bold, text(span, "span_id")));
        for hit in hits {
            let place = format!("{}{}", text(hit, "part"), text(hit, "pointer"));
            let place = format!("{place} {}–{}", number(hit, "start"), number(hit, "end"));
            lines.push(format!("  {}  {}", printable(&place), excerpt(hit, output)));
        }
        let more = number(span, "count").saturating_sub(hits.len() as u64);
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
    }
    lines
}

/// One line of the text, with the phrase marked.
fn excerpt(hit: &Value, output: Output) -> String {
    let points: Vec<char> = text(hit, "excerpt").chars().collect();
    let at = |name: &str| usize::try_from(number(hit, name)).unwrap_or(0).min(points.len());
    let (start, end) = (at("excerpt_start"), at("excerpt_end"));
    let piece = |from: usize, to: usize| -> String {
        let text: String = points.get(from..to).unwrap_or_default().iter().collect();
        let plain: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
        printable(&plain)
    };
    let marked = output.styled(Style::Yellow, &piece(start, end));
    format!("{}{marked}{}", piece(0, start), piece(end, points.len()))
}

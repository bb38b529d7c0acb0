//! Which queries are measured, and with which values.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Api, list};
use crate::{
    corpus::{
        period::{rfc3339, unix_time},
        words::Vocabulary,
    },
    http::query_value,
};

/// Values per filter that are asked for in turn.
const VALUES_MAX: usize = 10;
const TRACES_MAX: usize = 20;
/// Spans of a trace that is worth timing: near the upper end of the corpus.
const TRACE_SPANS_WANTED: u64 = 36;
/// Frequency ranks of the words that are searched.
const COMMON_RANKS: [usize; 4] = [120, 150, 180, 210];
const MIDDLING_RANKS: [usize; 4] = [2_000, 2_500, 3_000, 3_500];
const RARE_RANKS: [usize; 4] = [36_000, 37_500, 39_000, 40_500];

/// One kind of query with the paths that are asked for in turn.
#[derive(Debug)]
pub struct Probe {
    /// Group in the report.
    pub group: &'static str,
    /// Name in the report.
    pub name: String,
    /// Paths; empty when no value was found.
    pub paths: Vec<String>,
    /// 95th percentile to stay under, milliseconds.
    pub target_p95_ms: f64,
}

impl Probe {
    fn new(
        group: &'static str,
        name: impl Into<String>,
        paths: Vec<String>,
        target_p95_ms: f64,
    ) -> Self {
        Self { group, name: name.into(), paths, target_p95_ms }
    }
}

/// Filter name and the members of a trace that may hold its value.
const FILTERS: [(&str, &[&str]); 6] = [
    ("model", &["model", "models"]),
    ("agent", &["agent", "agent_name", "agents"]),
    ("user", &["user", "user_id"]),
    ("session", &["session", "session_id"]),
    ("environment", &["environment"]),
    ("tag", &["tag", "tags"]),
];

const GROUPS: [&str; 7] = ["model", "kind", "agent", "user", "environment", "status", "provider"];

/// Reads the newest traces and draws up the queries.
pub async fn plan(api: &mut Api, days: u64) -> Result<Vec<Probe>> {
    let traces = newest(api).await?;
    let mut probes = vec![Probe::new("list", "newest 50", vec![listed("")], 5.0)];
    let errors = listed(&format!("&filter={}", query_value("status = error")));
    probes.push(Probe::new("filter", "status", vec![errors], 5.0));
    for (name, members) in FILTERS {
        let paths = values(&traces, members)
            .into_iter()
            .map(|value| {
                let quoted = format!("{name} = {}", Value::String(value));
                listed(&format!("&filter={}", query_value(&quoted)))
            })
            .collect();
        probes.push(Probe::new("filter", name, paths, 5.0));
    }
    let ids = trace_ids(&traces);
    let of_trace = |rest: &str| ids.iter().map(|id| format!("/api/v1/traces/{id}{rest}")).collect();
    probes.push(Probe::new("trace", "trace", of_trace(""), 5.0));
    probes.push(Probe::new("trace", "trace spans", of_trace("/spans"), 5.0));
    let now = unix_time().as_secs();
    let (from, to) = (rfc3339(now.saturating_sub(days * 86_400)), rfc3339(now));
    for group in GROUPS {
        let path = format!("/api/v1/analytics?from={from}&to={to}&group_by={group}");
        probes.push(Probe::new("analytics", format!("{days} days by {group}"), vec![path], 20.0));
    }
    let words = Vocabulary::build();
    for (name, ranks) in [
        ("rare word", RARE_RANKS),
        ("middling word", MIDDLING_RANKS),
        ("common word", COMMON_RANKS),
    ] {
        let paths = ranks.iter().map(|&rank| listed(&format!("&q={}", words.word(rank)))).collect();
        probes.push(Probe::new("text", name, paths, 50.0));
    }
    Ok(probes)
}

fn listed(rest: &str) -> String {
    format!("/api/v1/traces?limit=50{rest}")
}

/// The newest 200 traces, or as many as one page holds.
async fn newest(api: &mut Api) -> Result<Vec<Value>> {
    for limit in [200, 50] {
        let (status, body) = api.get(&format!("/api/v1/traces?limit={limit}")).await?;
        if status == 200 {
            let answer: Value = serde_json::from_slice(&body)?;
            return Ok(list(&answer).cloned().unwrap_or_default());
        }
        ensure!(
            limit == 200,
            "GET /api/v1/traces answered {status}: {:.200}",
            String::from_utf8_lossy(&body)
        );
    }
    Ok(Vec::new())
}

/// Distinct values of the first member that is there.
fn values(traces: &[Value], members: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for trace in traces {
        let texts = members.iter().find_map(|member| match trace.get(member)? {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(texts) => {
                Some(texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect())
            }
            Value::Object(object) => {
                let name = object.get("name").or_else(|| object.get("id"))?.as_str()?;
                Some(vec![name.to_owned()])
            }
            _ => None,
        });
        for text in texts.into_iter().flatten() {
            if !text.is_empty() && !found.contains(&text) && found.len() < VALUES_MAX {
                found.push(text);
            }
        }
    }
    found
}

/// Ids of the traces whose size is nearest to the wanted one.
fn trace_ids(traces: &[Value]) -> Vec<String> {
    let mut sized: Vec<(u64, String)> = traces
        .iter()
        .filter_map(|trace| {
            let id = trace.get("trace_id").or_else(|| trace.get("id"))?.as_str()?;
            let spans = ["span_count", "spans_count", "spans"]
                .iter()
                .find_map(|member| trace.get(member)?.as_u64())
                .unwrap_or(0);
            Some((spans.abs_diff(TRACE_SPANS_WANTED), id.to_owned()))
        })
        .collect();
    sized.sort();
    sized.into_iter().take(TRACES_MAX).map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{trace_ids, values};

    #[test]
    fn values_are_read_from_texts_lists_and_objects() {
        let traces = [
            json!({"models": ["a", "b"], "user": {"id": "u1"}}),
            json!({"models": ["b"], "user": "u2"}),
            json!({"models": null}),
        ];
        assert_eq!(values(&traces, &["model", "models"]), ["a", "b"]);
        assert_eq!(values(&traces, &["user"]), ["u1", "u2"]);
        assert!(values(&traces, &["tags"]).is_empty());
    }

    #[test]
    fn traces_near_forty_spans_come_first() {
        let traces = [
            json!({"trace_id": "small", "span_count": 8}),
            json!({"id": "large", "span_count": 39}),
        ];
        assert_eq!(trace_ids(&traces), ["large", "small"]);
    }
}

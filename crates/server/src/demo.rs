//! What the demo shows: scenes of agents at work, written as the native API takes them.
//!
//! A scene is a file with times relative to its start. It goes through the same door as everybody's
//! spans: decoded, priced, checked, sealed. Ids hold the batch, so that one batch sent twice is the
//! same traces.

use exhibit_model::{Json, JsonMap, Nanos};
use serde::Deserialize;
use serde_json::json;

/// The scenes: name, text, and how often each appears beside its newest take.
const SCENES: [(&str, &str, u64); 3] = [
    ("happy-path", include_str!("../demo/happy-path.json"), 30),
    ("constitutional", include_str!("../demo/constitutional.json"), 4),
    ("debugging", include_str!("../demo/debugging.json"), 6),
];
/// Over which time the earlier takes are strewn.
const DAYS: u64 = 2;
const DAY_MS: u64 = 86_400_000;
const USERS: [&str; 4] = ["ana", "ben", "chiara", "dev"];

/// Spans of the large trace.
pub(crate) const LARGE_SPANS: usize = 30_000;
/// The id of the large trace.
pub(crate) const LARGE: &str = "demo-simulation";
/// Spans of one request.
const BATCH_SPANS: usize = 1_000;
const STEP_MS: u64 = 9;
const EPISODE: usize = 30;

#[derive(Deserialize)]
struct Scene {
    agent: String,
    service: String,
    environment: String,
    tags: Vec<String>,
    metadata: JsonMap,
    spans: Vec<SceneSpan>,
}

#[derive(Deserialize)]
struct SceneSpan {
    id: String,
    parent: Option<String>,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// Milliseconds after the start of the scene.
    at: u64,
    #[serde(rename = "for")]
    lasts: u64,
    /// Milliseconds to the first token.
    ttft: Option<u64>,
    status: Option<String>,
    /// Everything else is as the native API names it.
    #[serde(flatten)]
    rest: JsonMap,
}

/// One take of a scene.
struct Take<'a> {
    trace: String,
    start_ms: u64,
    /// Per cent of the written pace.
    pace: u64,
    user: &'a str,
    session: String,
}

/// Requests with every scene: the newest takes just before `now`, earlier ones over the days before.
pub(crate) fn scenes(now: Nanos, batch: &str) -> Result<Vec<Json>, serde_json::Error> {
    let now_ms = millis(now);
    let mut out = Vec::new();
    for (number, (name, text, earlier)) in (1_u64..).zip(SCENES) {
        let scene: Scene = serde_json::from_str(text)?;
        let ends_ms = scene.spans.iter().map(|s| s.at + s.lasts).max().unwrap_or(0);
        for take in 0..=earlier {
            // Strewn, the same way each time: more of them lately than long ago.
            let chance = mixed(number * 1_000 + take);
            let share = chance % 1_000;
            let ago =
                if take == 0 { ends_ms + 2_000 } else { DAYS * DAY_MS * share * share / 1_000_000 };
            let pace = if take == 0 { 100 } else { 60 + (chance >> 16) % 130 };
            let user = USERS.get((chance >> 32) as usize % USERS.len()).copied().unwrap_or("ana");
            let trace = match take {
                0 => format!("demo-{batch}-{name}"),
                _ => format!("demo-{batch}-{name}-{take}"),
            };
            let start_ms = now_ms.saturating_sub(ago.max(ends_ms * pace / 100 + 2_000));
            let session = format!("case-{batch}-{}", take / 3);
            let take = Take { trace, start_ms, pace, user, session };
            let spans: Vec<Json> = scene.spans.iter().map(|s| span(&scene, s, &take)).collect();
            out.push(json!({ "batch": spans }));
        }
    }
    Ok(out)
}

fn span(scene: &Scene, it: &SceneSpan, take: &Take<'_>) -> Json {
    let at = |ms: u64| rfc3339(take.start_ms + ms * take.pace / 100);
    let mut span = it.rest.clone();
    let mut put = |name: &str, value: Json| span.insert(name.to_owned(), value);
    put("trace_id", json!(take.trace));
    put("span_id", json!(format!("{}-{}", take.trace, it.id)));
    if let Some(parent) = &it.parent {
        put("parent_span_id", json!(format!("{}-{parent}", take.trace)));
    }
    put("name", json!(it.name));
    put("span_type", json!(it.kind));
    put("status", json!(it.status.as_deref().unwrap_or("ok")));
    put("start_time", json!(at(it.at)));
    put("end_time", json!(at(it.at + it.lasts)));
    if let Some(ttft) = it.ttft {
        put("ttft_ms", json!(ttft * take.pace / 100));
    }
    // As clients do: the run of an agent names it, the steps below do not.
    match (&it.parent, it.kind.as_str()) {
        (None, _) => put("agent_name", json!(scene.agent)),
        (_, "agent") => put("agent_name", json!(it.name)),
        _ => None,
    };
    put("service", json!(scene.service));
    put("environment", json!(scene.environment));
    put("tags", json!(scene.tags));
    put("metadata", Json::Object(scene.metadata.clone()));
    put("user_id", json!(take.user));
    put("session_id", json!(take.session));
    Json::Object(span)
}

/// Requests with the large trace: a simulation of a warehouse in thirty thousand steps.
pub(crate) fn simulation(end: Nanos) -> impl Iterator<Item = Json> + Send {
    let start_ms = millis(end).saturating_sub(LARGE_SPANS as u64 * STEP_MS + 1_000);
    let requests = LARGE_SPANS.div_ceil(BATCH_SPANS);
    (0..requests).map(move |request| {
        let first = request * BATCH_SPANS;
        let last = (first + BATCH_SPANS).min(LARGE_SPANS);
        let spans: Vec<Json> = (first..last).map(|number| step(start_ms, number)).collect();
        json!({ "batch": spans })
    })
}

/// The root, then episodes: a chain, and in it choices, each with what followed from it.
fn step(start_ms: u64, number: usize) -> Json {
    const STEPS: [(&str, &str); 4] = [
        ("llm", "choose action"),
        ("tool", "move"),
        ("tool", "scan shelf"),
        ("evaluator", "reward"),
    ];
    let at = |number: usize| rfc3339(start_ms + number as u64 * STEP_MS);
    let id = |number: usize| format!("{LARGE}-{number}");
    if number == 0 {
        return json!({ "trace_id": LARGE, "span_id": id(0), "name": "warehouse-simulation",
            "span_type": "agent", "status": "ok", "start_time": at(0), "end_time": at(LARGE_SPANS),
            "agent_name": "simulator", "tags": ["demo", "large"], "environment": "staging",
            "input": { "shelves": 400, "robots": 3 }, "output": { "delivered": 1931, "collisions": 0 } });
    }
    let place = (number - 1) % EPISODE;
    let episode = number - place;
    if place == 0 {
        let last = (number + EPISODE).min(LARGE_SPANS);
        return json!({ "trace_id": LARGE, "span_id": id(number), "parent_span_id": id(0),
            "name": format!("episode {}", number / EPISODE), "span_type": "chain", "status": "ok",
            "start_time": at(number), "end_time": at(last) });
    }
    let turn = (place - 1) % STEPS.len();
    let (kind, name) = STEPS.get(turn).copied().unwrap_or(("custom", "step"));
    let parent = if turn == 0 { episode } else { number - turn };
    let failed = number.is_multiple_of(397);
    let mut span = json!({ "trace_id": LARGE, "span_id": id(number), "parent_span_id": id(parent),
        "name": name, "span_type": kind, "status": if failed { "error" } else { "ok" },
        "start_time": at(number), "end_time": at(number + 1), "input": { "robot": number % 3 },
        "output": { "shelf": number % 400 } });
    if failed {
        span["status_message"] = json!("The path is blocked by another robot.");
    }
    if kind == "llm" {
        span["model"] = json!("gpt-4o-mini");
        span["tokens_in"] = json!(120 + number % 60);
        span["tokens_out"] = json!(12);
    }
    span
}

fn millis(at: Nanos) -> u64 {
    u64::try_from(at.0 / 1_000_000).unwrap_or(0)
}

fn rfc3339(ms: u64) -> String {
    Nanos(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000)).to_rfc3339()
}

/// A number strewn over all numbers (the finaliser of `SplitMix64`).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use exhibit_capture::{Context, native};
    use exhibit_model::Limits;

    use super::*;

    const NOW: Nanos = Nanos(1_795_255_200_000_000_000);

    #[test]
    fn every_scene_is_taken_as_it_is_written_and_ends_before_now() {
        let limits = Limits::default();
        let context = Context { received: NOW, limits: &limits, labels: &[] };
        for request in scenes(NOW, "1").unwrap() {
            let decoded = native::span_batch(request.to_string().as_bytes(), &context).unwrap();
            assert!(decoded.rejected.is_empty(), "{:?}", decoded.rejected);
            assert!(decoded.spans.iter().all(|s| s.end.is_some_and(|end| end < NOW)));
        }
    }

    #[test]
    fn the_large_trace_has_as_many_spans_as_it_says_and_every_parent_is_there() {
        let mut ids = HashSet::new();
        let mut parents = HashSet::new();
        for request in simulation(NOW) {
            for span in request["batch"].as_array().unwrap() {
                assert!(ids.insert(span["span_id"].as_str().unwrap().to_owned()));
                parents.extend(span["parent_span_id"].as_str().map(ToOwned::to_owned));
            }
        }
        assert_eq!(ids.len(), LARGE_SPANS);
        assert!(parents.is_subset(&ids));
    }
}

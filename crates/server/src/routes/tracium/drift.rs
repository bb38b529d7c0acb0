//! Drift on demand: computed from stored traces, each result with its test.

use axum::{Json, extract::State};
use exhibit_model::Json as Value;
use exhibit_recorder::{DriftMetric, DriftShift, DriftWindows, PromptShift};
use serde_json::json;

use crate::{
    app::Shared,
    auth::{Caller, ReadTraces},
    extract::Params,
    problem::{Problem, ProblemBody},
};

/// Days compared unless asked otherwise: today with the two weeks before.
const METRICS: DriftWindows = DriftWindows { current_days: 1.0, baseline_days: 14.0 };
/// The same for prompts, as the client's own defaults have it.
const PROMPTS: DriftWindows = DriftWindows { current_days: 1.0, baseline_days: 60.0 };

type Pairs = Vec<(String, String)>;

/// Compare metrics of the last day with those of the days before, agent by agent.
#[utoipa::path(post, path = "/drift/check", tag = "tracium",
    params(("metrics" = Option<Vec<String>>, Query, description = "latency, error_rate, total_tokens, input_tokens, output_tokens, cost, span_count; all unless given"),
        ("current_days" = Option<f64>, Query, description = "1 unless given"),
        ("baseline_days" = Option<f64>, Query, description = "14 unless given"),
        ("alert_channels" = Option<Vec<String>>, Query, description = "Repeated in the answer; alerts are made by rules")),
    responses((status = 200, body = Object), (status = 401, body = ProblemBody)))]
pub(crate) async fn metrics(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Params(pairs): Params<Pairs>,
) -> Result<Json<Value>, Problem> {
    let windows = windows(&pairs, METRICS)?;
    let asked = all(&pairs, "metrics");
    let mut known = Vec::new();
    let mut results = Vec::new();
    for word in &asked {
        match DriftMetric::parse(word) {
            Some(metric) => known.push(metric),
            None => {
                let names: Vec<_> = DriftMetric::ALL.iter().map(|m| m.as_str()).collect();
                results.push(json!({
                    "metric": word, "status": "unknown_metric", "drift_detected": false,
                    "message": format!("There is no such metric; there are {}.", names.join(", ")),
                }));
            }
        }
    }
    if asked.is_empty() {
        known = DriftMetric::ALL.to_vec();
    }
    let alert_channels = all(&pairs, "alert_channels");
    for drift in app.recorder.metric_drift(caller.workspace, windows, &known).await? {
        let shift = &drift.shift;
        results.push(json!({
            "agent_name": drift.agent,
            "metric": drift.metric.as_str(),
            "status": status(shift.drifted),
            "drift_detected": shift.drifted == Some(true),
            "test": shift.test,
            "alpha": DriftShift::ALPHA,
            "baseline_count": shift.baseline_count,
            "current_count": shift.current_count,
            "baseline_value": shift.baseline,
            "current_value": shift.current,
            "relative_change": shift.change(),
            "z": shift.z,
            "p_value": shift.p_value,
            "effect_size": shift.effect,
            "baseline_days": windows.baseline_days,
            "current_days": windows.current_days,
            "alert_channels": alert_channels,
            "message": message(shift.drifted, DriftShift::VALUES_MIN),
        }));
    }
    Ok(Json(json!({ "results": results, "workspace_id": caller.workspace_public })))
}

/// Compare what agents are asked now with what they were asked before.
#[utoipa::path(post, path = "/drift/prompt-embeddings/check", tag = "tracium",
    params(("similarity_threshold" = Option<f64>, Query, description = "Distance that matters; 0.05 unless given"),
        ("current_days" = Option<f64>, Query, description = "1 unless given"),
        ("baseline_days" = Option<f64>, Query, description = "60 unless given"),
        ("workspace_ids" = Option<Vec<String>>, Query, description = "Labels; the key decides the workspace"),
        ("alert_channels" = Option<Vec<String>>, Query, description = "Repeated in the answer")),
    responses((status = 200, body = Object), (status = 401, body = ProblemBody)))]
pub(crate) async fn prompts(
    State(app): State<Shared>,
    caller: Caller<ReadTraces>,
    Params(pairs): Params<Pairs>,
) -> Result<Json<Value>, Problem> {
    let windows = windows(&pairs, PROMPTS)?;
    let threshold = number(&pairs, "similarity_threshold")?.unwrap_or(0.05);
    let alert_channels = all(&pairs, "alert_channels");
    let found = app.recorder.prompt_drift(caller.workspace, windows, threshold).await?;
    let results: Vec<Value> = found
        .iter()
        .map(|drift| {
            let shift = &drift.shift;
            json!({
                "agent_name": drift.agent,
                "status": status(shift.drifted),
                "drift_detected": shift.drifted == Some(true),
                "method": shift.method,
                "distance": shift.distance,
                "similarity": shift.distance.map(|d| 1.0 - d),
                "similarity_threshold": shift.threshold,
                "p_value": shift.p_value,
                "test": "permutation",
                "rising_words": shift.rising,
                "baseline_count": shift.baseline_count,
                "current_count": shift.current_count,
                "baseline_days": windows.baseline_days,
                "current_days": windows.current_days,
                "alert_channels": alert_channels,
                "message": message(shift.drifted, PromptShift::TEXTS_MIN),
            })
        })
        .collect();
    Ok(Json(json!({ "results": results, "workspace_id": caller.workspace_public })))
}

fn status(drifted: Option<bool>) -> &'static str {
    match drifted {
        Some(true) => "drift",
        Some(false) => "stable",
        None => "insufficient_data",
    }
}

fn message(drifted: Option<bool>, least: usize) -> String {
    match drifted {
        Some(true) => "The shift is significant and large enough to matter.".to_owned(),
        Some(false) => "No shift that is both significant and large enough to matter.".to_owned(),
        None => format!("Each side needs at least {least} finished traces of this agent."),
    }
}

/// All values of a parameter, repeated or with commas.
fn all(pairs: &Pairs, name: &str) -> Vec<String> {
    let values = pairs.iter().filter(|(key, _)| key == name).flat_map(|(_, v)| v.split(','));
    values.map(str::trim).filter(|v| !v.is_empty()).map(str::to_owned).collect()
}

fn number(pairs: &Pairs, name: &str) -> Result<Option<f64>, Problem> {
    let Some((_, text)) = pairs.iter().find(|(key, _)| key == name) else { return Ok(None) };
    let number: Option<f64> = text.trim().parse().ok();
    match number.filter(|n| n.is_finite() && *n >= 0.0) {
        Some(number) => Ok(Some(number)),
        None => Err(Problem::bad("parameters", format!("{name} must be a number, 0 or more."))),
    }
}

fn windows(pairs: &Pairs, default: DriftWindows) -> Result<DriftWindows, Problem> {
    Ok(DriftWindows {
        current_days: number(pairs, "current_days")?.unwrap_or(default.current_days),
        baseline_days: number(pairs, "baseline_days")?.unwrap_or(default.baseline_days),
    })
}

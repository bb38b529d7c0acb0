//! Tells a replay again from what is recorded of it: the same comparison that it told when it ran.

use std::collections::HashMap;

use exhibit_model::{MessagePart, Status};

use super::{
    Replayed, Step,
    diff::{self, StepDiff},
    run::CHANGES_MAX,
};

/// The comparison of a trace with a replay of it, out of their recorded steps.
pub fn retold(original: &[Step], replay: &[Step], tools: &'static str) -> Option<Replayed> {
    let by_id: HashMap<&str, &Step> = original.iter().map(|s| (s.span_id.as_str(), s)).collect();
    let mut answer = None;
    let mut diffs = Vec::new();
    let mut failure = None;
    let mut spent = Some(0_i64);
    for new in replay {
        let Some(repeats) = new.repeats.as_ref().filter(|r| r.executed) else { continue };
        let Some(old) = by_id.get(repeats.span_id.as_str()) else { continue };
        let (before, after) = (old.said(), new.said());
        let similarity = diff::similarity(&before, &after);
        let same_tools = called(old) == called(new);
        let (was, is) = (old.usage, new.usage);
        if new.status == Status::Error {
            let code = new.error.clone().unwrap_or_else(|| "error".to_owned());
            failure = Some((code, "the call failed; its span says why".to_owned()));
        } else {
            spent = spent.zip(new.cost).map(|(sum, cost)| sum.saturating_add(cost.0));
        }
        diffs.push(StepDiff {
            span_id: repeats.span_id.clone(),
            replay_span_id: new.span_id.to_string(),
            name: old.name.clone(),
            executed: true,
            same: same_tools && (similarity - 1.0).abs() < 1e-9,
            same_tools,
            similarity,
            changes: diff::changes(&before, &after, CHANGES_MAX),
            diverged: repeats.diverged,
            error: new.error.clone(),
            latency_ms: (
                old.duration_ms().map(|ms| ms as f64),
                new.duration_ms().map(|ms| ms as f64),
            ),
            tokens_in: (was.map(|u| u.input_tokens()), is.map(|u| u.input_tokens())),
            tokens_out: (was.map(|u| u.output_tokens()), is.map(|u| u.output_tokens())),
            cost_nano_usd: (old.cost.map(|c| c.0), new.cost.map(|c| c.0)),
        });
        answer = Some((before, after));
    }
    let (captured_answer, answer) = answer.unwrap_or_default();
    Some(Replayed {
        trace_id: replay.first()?.trace_id.to_string(),
        replay_of: original.first()?.trace_id.to_string(),
        tools,
        redacted_inputs: original.iter().any(|s| s.redacted),
        steps: diffs,
        answer,
        captured_answer,
        spent_nano_usd: spent,
        failure,
    })
}

/// The tools that a step asked for, with their arguments.
fn called(step: &Step) -> Vec<(String, exhibit_model::Json)> {
    let parts = step.content.output_messages.iter().flat_map(|m| &m.parts);
    parts
        .filter_map(|part| match part {
            MessagePart::ToolCall { name, arguments, .. } => {
                let read = arguments.as_str().and_then(|text| serde_json::from_str(text).ok());
                Some((name.clone(), read.unwrap_or_else(|| arguments.clone())))
            }
            _ => None,
        })
        .collect()
}

//! `exhibit replay --render`: the stored steps, one after the other.

use std::time::Duration;

use exhibit_model::{SpanKind, Status};
use exhibit_recorder::replay::Step;

use crate::{
    failure::{Exit, Failure},
    output::{Output, clipped, printable},
};

/// Shortest and longest wait between two steps, milliseconds.
const PAUSE_MS: (f64, f64) = (80.0, 550.0);
/// Longest text of a step.
const TEXT_CHARS: usize = 200;

pub(super) async fn run(steps: &[Step], speed: f64, output: Output) -> anyhow::Result<Exit> {
    if !(speed.is_finite() && speed >= 0.1) {
        return Err(Failure::usage("--speed: write a number of at least 0.1").into());
    }
    let mut order: Vec<&Step> = steps.iter().collect();
    order.sort_by_key(|step| step.start);
    for step in order {
        let ms = step.duration_ms().unwrap_or(0) as f64 / speed;
        tokio::time::sleep(Duration::from_secs_f64(ms.clamp(PAUSE_MS.0, PAUSE_MS.1) / 1e3)).await;
        let mark = match step.status {
            Status::Ok => "✓",
            Status::Running => "▶",
            Status::Error | Status::Incomplete => "✗",
        };
        let mut depth = 0;
        let mut at = step.parent_id.as_ref();
        while let Some(parent) = at.filter(|_| depth < 32) {
            depth += 1;
            at = steps.iter().find(|s| s.span_id == *parent).and_then(|s| s.parent_id.as_ref());
        }
        let indent = "  ".repeat(depth);
        let model =
            step.model.as_deref().filter(|_| step.kind == SpanKind::Llm).unwrap_or_default();
        output.line(format!(
            "{indent}{mark} {} {} {model} {} ms",
            step.kind,
            printable(&step.name),
            step.duration_ms().unwrap_or(0)
        ))?;
        for (sign, value) in [("→", &step.content.input), ("←", &step.content.output)] {
            if let Some(value) = value {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                output
                    .line(format!("{indent}  {sign} {}", clipped(&printable(&text), TEXT_CHARS)))?;
            }
        }
    }
    Ok(Exit::Done)
}

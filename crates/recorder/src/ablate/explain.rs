//! What an ablation found, in plain language. The same findings always give the same words.

use super::{Ablation, CauseKind, Effect};

/// Causes that are named one by one.
const NAMED: usize = 3;

/// The explanation of an answer, or of a tool call.
pub fn template(found: &Ablation, tools: &[String]) -> String {
    let what = match tools {
        [] => "The answer".to_owned(),
        [one] => format!("The call of `{one}`"),
        many => format!("The calls of `{}`", many.join("`, `")),
    };
    let strong: Vec<&Effect> = found.effects.iter().filter(|e| e.significant).collect();
    let mut text = match strong.as_slice() {
        [] => format!(
            "{what} did not change beyond sampling noise when any single input was taken away. \
             Either several inputs say the same, or the model answers from what it knows."
        ),
        [first, rest @ ..] => {
            let mut text = format!("{what} depends most on {}", one(first));
            for effect in rest.iter().take(NAMED - 1) {
                text.push_str(&format!("; then on {}", one(effect)));
            }
            if rest.len() >= NAMED {
                text.push_str(&format!("; and on {} more", rest.len() + 1 - NAMED));
            }
            text.push('.');
            text
        }
    };
    let weak = found.effects.len() - strong.len();
    if weak > 0 && !strong.is_empty() {
        text.push_str(&format!(" {weak} other inputs had no effect beyond noise."));
    }
    text.push_str(&format!(
        " Measured with {} repeats per input; unchanged repeats differ by {:.2} of 1 among themselves.",
        found.repeats, found.noise
    ));
    text
}

fn one(effect: &Effect) -> String {
    let kind = match effect.cause.kind {
        CauseKind::System => "the system prompt",
        CauseKind::User => "what the user said",
        CauseKind::Tool => "a tool's result",
        CauseKind::Retrieved => "a retrieved text",
        CauseKind::History => "an earlier answer",
    };
    let words: String = effect.cause.label.chars().take(60).collect();
    format!(
        "{kind} (“{words}”): without it the answer changes by {:.2} of 1 (95 % interval {:.2} to {:.2})",
        effect.effect, effect.low, effect.high
    )
}

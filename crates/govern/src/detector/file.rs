//! Detector files: YAML, read strictly, with examples that run when the file is loaded.

use exhibit_model::{FindingCategory, Severity};
use serde::Deserialize;

use super::{Detector, Pattern, Trigger, Validator};
use crate::{error::Problems, sample::Sample};

/// A detector and the texts that prove it.
pub(crate) struct Proven {
    pub(crate) detector: Detector,
    pub(crate) matching: Vec<String>,
    pub(crate) not_matching: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    version: u32,
    detectors: Vec<RawDetector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDetector {
    id: String,
    title: Option<String>,
    entity: String,
    category: FindingCategory,
    #[serde(default = "medium")]
    severity: Severity,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    exact: bool,
    shape: Option<RawShape>,
    min: Option<usize>,
    #[serde(default)]
    runs: Vec<u32>,
    #[serde(default)]
    follow: String,
    pattern: String,
    validator: Option<String>,
    min_entropy: Option<f64>,
    #[serde(default)]
    stop: Vec<String>,
    #[serde(default)]
    context: Vec<String>,
    #[serde(default = "default_boost")]
    boost: f64,
    score: f64,
    #[serde(default = "default_alone")]
    alone: f64,
    #[serde(default)]
    min_score: f64,
    #[serde(default = "default_before")]
    before: usize,
    #[serde(default = "default_after")]
    after: usize,
    #[serde(default = "default_steps")]
    steps: usize,
    #[serde(default)]
    examples: RawExamples,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum RawShape {
    At,
    Digits,
    PlusDigits,
    Dotted,
    LettersDigits,
    LettersSpaceDigits,
    Token,
    HexGroups,
    Run,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawExamples {
    r#match: Vec<Sample>,
    no_match: Vec<Sample>,
}

fn medium() -> Severity {
    Severity::Medium
}

fn default_boost() -> f64 {
    0.35
}

fn default_alone() -> f64 {
    1.0
}

fn default_before() -> usize {
    48
}

fn default_after() -> usize {
    320
}

fn default_steps() -> usize {
    16 << 20
}

/// Reads a detector file; what is wrong goes to `problems`, what is right is returned.
/// A file that is `known` to hold, because it is one of ours and our tests prove it, is not proved again.
pub(crate) fn read(text: &str, known: bool, problems: &mut Problems<'_>) -> Vec<Proven> {
    let raw: RawFile = match serde_yaml_ng::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            problems.add("", error.to_string());
            return Vec::new();
        }
    };
    if raw.version != 1 {
        problems.add("version", format!("is {}; this engine reads version 1", raw.version));
        return Vec::new();
    }
    let mut proven = Vec::new();
    for raw in raw.detectors {
        let place = format!("detector `{}`", raw.id);
        match compile(raw, problems.file, known) {
            Ok(one) => proven.push(one),
            Err(message) => problems.add(place, message),
        }
    }
    proven
}

fn compile(raw: RawDetector, file: &str, known: bool) -> Result<Proven, String> {
    if raw.id.is_empty()
        || !raw.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    {
        return Err("`id` must be letters, digits, `-`, `_` and `.`".to_owned());
    }
    if raw.entity.is_empty()
        || !raw.entity.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    {
        return Err("`entity` must be capitals, digits and `_`, such as EMAIL_ADDRESS".to_owned());
    }
    let trigger = trigger(&raw)?;
    let pattern = Pattern::new(raw.pattern);
    if !known {
        pattern.check()?;
    }
    let validator = match &raw.validator {
        None => None,
        Some(name) => Some(Validator::named(name).ok_or_else(|| {
            format!("`validator: {name}` is unknown; there are {}", Validator::names())
        })?),
    };
    let milli = |name: &str, value: f64| {
        if (0.0..=1.0).contains(&value) {
            Ok((value * 1_000.0).round() as u16)
        } else {
            Err(format!("`{name}` must be between 0 and 1"))
        }
    };
    if raw.examples.r#match.is_empty() {
        return Err("`examples.match` needs at least one text".to_owned());
    }
    let examples = if known { RawExamples::default() } else { raw.examples };
    let texts = |samples: Vec<Sample>| samples.iter().map(Sample::text).collect::<Result<_, _>>();
    let lower = |words: Vec<String>| words.iter().map(|word| word.to_ascii_lowercase()).collect();
    Ok(Proven {
        matching: texts(examples.r#match)?,
        not_matching: texts(examples.no_match)?,
        detector: Detector {
            title: raw.title.unwrap_or_else(|| raw.id.clone()),
            id: raw.id,
            entity: raw.entity,
            category: raw.category,
            severity: raw.severity,
            trigger,
            pattern,
            validator,
            min_entropy: raw.min_entropy,
            stop: lower(raw.stop),
            context: lower(raw.context),
            boost_milli: milli("boost", raw.boost)?,
            score_milli: milli("score", raw.score)?,
            alone_milli: milli("alone", raw.alone)?,
            min_score_milli: milli("min_score", raw.min_score)?,
            exact: raw.exact,
            follow: raw.follow.into_bytes(),
            reach: (raw.before.min(4_096), raw.after.min(65_536)),
            steps_max: raw.steps,
            file: file.to_owned(),
        },
    })
}

fn trigger(raw: &RawDetector) -> Result<Trigger, String> {
    let needs_min =
        matches!(raw.shape, Some(RawShape::Digits | RawShape::PlusDigits | RawShape::Token));
    if raw.min.is_some() != needs_min {
        return Err(
            "`min` belongs to the shapes digits, plus_digits and token, which need it".to_owned()
        );
    }
    let min = raw.min.unwrap_or(0);
    if raw.runs.iter().any(|run| *run == 0 || *run > 31) {
        return Err("`runs` are lengths from 1 to 31".to_owned());
    }
    let runs = raw.runs.iter().fold(0, |mask, run| mask | 1 << run);
    match (raw.shape, raw.keywords.is_empty()) {
        (None, true) => {
            Err("needs `keywords` or a `shape`, so that clean text is passed quickly".into())
        }
        (Some(_), false) => Err("has both `keywords` and a `shape`; choose one".to_owned()),
        (None, false) if raw.keywords.iter().any(|word| word.len() < 2) => {
            Err("a keyword needs at least two characters".to_owned())
        }
        (None, false) => Ok(Trigger::Keywords(raw.keywords.clone())),
        (Some(RawShape::At), true) => Ok(Trigger::At),
        (Some(RawShape::Digits), true) => Ok(Trigger::Digits { min, runs }),
        (Some(RawShape::PlusDigits), true) => Ok(Trigger::PlusDigits(min)),
        (Some(RawShape::LettersSpaceDigits), true) => Ok(Trigger::LettersSpaceDigits),
        (Some(RawShape::Dotted), true) => Ok(Trigger::Dotted),
        (Some(RawShape::LettersDigits), true) => Ok(Trigger::LettersDigits),
        (Some(RawShape::Token), true) => Ok(Trigger::Token(min)),
        (Some(RawShape::HexGroups), true) => Ok(Trigger::HexGroups),
        (Some(RawShape::Run), true) if runs == 0 => Err("`shape: run` needs `runs`".to_owned()),
        (Some(RawShape::Run), true) => Ok(Trigger::Run(runs)),
    }
}

//! What follows from a rule: actions and their options.

use exhibit_model::{Action, Severity};
use serde_yaml_ng::Value;

use super::{Rule, window};

/// What follows from a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Allow,
    Tag(String),
    Notify { channel: Option<String>, message: Option<String> },
    Redact(Mask),
    Flag,
    Review(Asked),
    Quarantine(Option<String>),
    Block(Option<String>),
}

/// Options of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    queue: String,
    sla_ns: Option<i64>,
    four_eyes: bool,
    message: Option<String>,
}

/// What stands in a redacted text's place. Later ones say less and win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Mask {
    /// `tok_entity_fingerprint`: stands for the value wherever it comes again, and reads as an identifier.
    Token,
    /// `[ENTITY:fingerprint]`: the same value can be told again.
    Fingerprint,
    /// `[REDACTED:ENTITY]`.
    #[default]
    Name,
    /// Nothing.
    Nothing,
}

/// What is to be done beside the record, once it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// How grave.
    pub severity: Severity,
    /// The action that asked for it.
    pub action: Action,
    /// The channel to tell; every one that listens when none is named.
    pub channel: Option<String>,
    /// The rule's words for people.
    pub message: Option<String>,
    /// A review that is to be opened.
    pub review: Option<ReviewWanted>,
}

/// A review that a rule asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewWanted {
    /// Its queue.
    pub queue: String,
    /// Nanoseconds within which it is to be decided.
    pub sla_ns: Option<i64>,
    /// Whether two people must agree.
    pub four_eyes: bool,
}

impl Step {
    pub(crate) fn action(&self) -> Action {
        match self {
            Self::Allow => Action::Allow,
            Self::Tag(_) => Action::Tag,
            Self::Notify { .. } => Action::Notify,
            Self::Redact(_) => Action::Redact,
            Self::Flag => Action::Flag,
            Self::Review(_) => Action::Review,
            Self::Quarantine(_) => Action::Quarantine,
            Self::Block(_) => Action::Block,
        }
    }

    /// What is to be done once the record is durable; `asked` says that the rule asks for a review in
    /// its own words, so that what is kept apart waits for that one.
    fn follow_up(&self, asked: bool) -> Option<Wanted<'_>> {
        match self {
            Self::Notify { channel, message } => {
                Some(Wanted { channel: channel.as_ref(), message: message.as_ref(), review: None })
            }
            Self::Review(own) => {
                let review = ReviewWanted {
                    queue: own.queue.clone(),
                    sla_ns: own.sla_ns,
                    four_eyes: own.four_eyes,
                };
                let message = own.message.as_ref();
                Some(Wanted { channel: None, message, review: Some(review) })
            }
            Self::Quarantine(message) | Self::Block(message) if !asked => {
                let queue = "default".to_owned();
                let review = ReviewWanted { queue, sla_ns: None, four_eyes: false };
                Some(Wanted { channel: None, message: message.as_ref(), review: Some(review) })
            }
            _ => None,
        }
    }

    /// The words for people of what is kept apart.
    fn reason(&self) -> Option<&String> {
        match self {
            Self::Quarantine(message) | Self::Block(message) => message.as_ref(),
            _ => None,
        }
    }
}

/// What one step wants beside the record.
struct Wanted<'s> {
    channel: Option<&'s String>,
    message: Option<&'s String>,
    review: Option<ReviewWanted>,
}

/// What a rule's steps want done once the record is durable. What is kept apart needs somebody to
/// release it: the review that the rule asks for, with its queue and deadline, wherever in the list it
/// stands; a review in the default queue where the rule asks for none.
pub(crate) fn follow_ups<'s>(
    steps: impl Iterator<Item = &'s Step> + Clone,
    policy: &str,
    rule: &Rule,
) -> Vec<FollowUp> {
    let asked = steps.clone().any(|step| matches!(step, Step::Review(_)));
    let reason = steps.clone().find_map(Step::reason);
    let wanted = steps.filter_map(|step| Some((step, step.follow_up(asked)?)));
    wanted
        .map(|(step, wanted)| FollowUp {
            policy: policy.to_owned(),
            rule: rule.id.clone(),
            title: rule.title.clone(),
            severity: rule.severity,
            action: step.action(),
            channel: wanted.channel.cloned(),
            message: wanted.message.or(reason.filter(|_| wanted.review.is_some())).cloned(),
            review: wanted.review,
        })
        .collect()
}

/// Actions as words, for people and for tests in files.
pub(crate) fn words(steps: &[Step]) -> String {
    let words: Vec<&str> = steps.iter().map(|step| step.action().as_str()).collect();
    words.join(", ")
}

/// A list of actions.
pub(crate) fn steps(values: &[Value], place: &str) -> Result<Vec<Step>, String> {
    values.iter().enumerate().map(|(n, value)| step(value, &format!("{place}[{n}]"))).collect()
}

/// `flag`, or `{redact: {with: hmac}}`.
fn step(value: &Value, place: &str) -> Result<Step, String> {
    let (name, options) = match value {
        Value::String(name) => (name.as_str(), None),
        Value::Mapping(map) if map.len() == 1 => match map.iter().next() {
            Some((Value::String(name), options)) => (name.as_str(), Some(options)),
            _ => return Err(format!("{place}: an action's name must be a text")),
        },
        _ => {
            return Err(format!(
                "{place}: must be an action such as `flag` or `{{redact: {{with: mask}}}}`"
            ));
        }
    };
    let allowed: &[&str] = match name {
        "redact" => &["with"],
        "tag" => &["name"],
        "notify" => &["channel", "message"],
        "review" => &["queue", "sla", "four_eyes", "message"],
        "flag" | "quarantine" | "block" => &["message"],
        _ => &[],
    };
    if let Some(Value::Mapping(map)) = options
        && let Some(unknown) = map.keys().find(|k| k.as_str().is_none_or(|k| !allowed.contains(&k)))
    {
        let unknown = unknown.as_str().unwrap_or_default();
        return Err(format!("{place}.{name}: unknown key `{unknown}`"));
    }
    let raw = |key: &str| match options {
        Some(Value::Mapping(map)) => map.get(key),
        _ => None,
    };
    let option = |key: &str| match options {
        Some(Value::String(text)) => Some(text.as_str()),
        _ => raw(key).and_then(Value::as_str),
    };
    let message = || raw("message").and_then(Value::as_str).map(str::to_owned);
    Ok(match name {
        "allow" => Step::Allow,
        "tag" => match option("name") {
            Some(tag) if !tag.is_empty() && tag.len() <= 128 => Step::Tag(tag.to_owned()),
            _ => return Err(format!("{place}: write `{{tag: name}}`")),
        },
        "notify" => {
            Step::Notify { channel: option("channel").map(str::to_owned), message: message() }
        }
        "redact" => Step::Redact(match option("with") {
            None | Some("mask") => Mask::Name,
            Some("hmac") => Mask::Fingerprint,
            Some("token") => Mask::Token,
            Some("drop") => Mask::Nothing,
            Some(other) => {
                return Err(format!(
                    "{place}.redact: `{other}` is not one of mask, hmac, token, drop"
                ));
            }
        }),
        "flag" => Step::Flag,
        "review" => {
            Step::Review(asked(option("queue"), raw("sla"), raw("four_eyes"), message(), place)?)
        }
        "quarantine" => Step::Quarantine(message()),
        "block" => Step::Block(message()),
        other => {
            return Err(format!(
                "{place}: `{other}` is not one of allow, tag, notify, redact, flag, review, quarantine, block"
            ));
        }
    })
}

fn asked(
    queue: Option<&str>,
    sla: Option<&Value>,
    four_eyes: Option<&Value>,
    message: Option<String>,
    place: &str,
) -> Result<Asked, String> {
    let queue = queue.unwrap_or("default");
    if queue.is_empty() || queue.len() > 64 {
        return Err(format!("{place}.review.queue: must be a name of 1 to 64 characters"));
    }
    let sla_ns = match sla.map(|sla| sla.as_str().and_then(window::duration).filter(|n| *n > 0)) {
        None => None,
        Some(Some(nanos)) => Some(nanos),
        Some(None) => return Err(format!("{place}.review.sla: must be a time such as 4h")),
    };
    let four_eyes = match four_eyes {
        None => false,
        Some(Value::Bool(yes)) => *yes,
        Some(_) => return Err(format!("{place}.review.four_eyes: must be true or false")),
    };
    Ok(Asked { queue: queue.to_owned(), sla_ns, four_eyes, message })
}

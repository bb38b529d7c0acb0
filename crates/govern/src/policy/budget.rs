//! Budgets: how much may be spent under a key within a window.
//!
//! What has been spent is recorded state, handed in by the caller through [`Spending`]; this room only compares.

use exhibit_model::{NanoUsd, Span, SpanHead, UsageRole};
use serde_yaml_ng::Value;

use super::{condition::texts, window::Window};
use crate::ListedBudget;

/// What has been spent under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Nano-USD.
    pub nano_usd: i64,
    /// Input and output tokens.
    pub tokens: u64,
}

impl Spent {
    /// Both together; stays at the largest number there is.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            nano_usd: self.nano_usd.saturating_add(other.nano_usd),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
}

/// Spending to be counted once the span is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The budget: `policy/rule`.
    pub budget: String,
    /// The values of its key, in its order; empty for the workspace as a whole.
    pub key: String,
    /// Its window.
    pub window: Window,
    /// How much.
    pub amount: Spent,
}

/// What has been spent so far. One workspace's.
pub trait Spending: Sync {
    /// Spent under a budget's key within the window that ends now.
    fn spent(&self, budget: &str, key: &str, window: Window) -> Spent;
}

/// Nothing has been spent.
pub struct Unspent;

impl Spending for Unspent {
    fn spent(&self, _: &str, _: &str, _: Window) -> Spent {
        Spent::default()
    }
}

/// What a span meets beside the rules.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// What has been spent.
    pub spending: &'a dyn Spending,
    /// The API key it came with.
    pub api_key: Option<&'a str>,
    /// Whether this is a question before the act, not a record of it.
    pub before_acting: bool,
    /// What reviewers have decided.
    pub released: Option<&'a Released>,
}

/// What reviewers have decided about rules that asked for them. A rule that is decided does not ask again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Released {
    /// Rules whose wish to keep something apart, or to have it looked at, reviewers have met, as
    /// `policy/rule`: they only flag from then on.
    pub rules: Vec<String>,
    /// Rules that reviewers found broken, as `policy/rule`: they fail from then on. What they keep
    /// apart stays apart unless they stand among [`rules`](Self::rules) too.
    pub rejected: Vec<String>,
    /// Findings that the reviewers saw. With more than these nothing is decided.
    pub findings: usize,
}

impl Released {
    pub(crate) fn releases(&self, policy: &str, rule: &str) -> bool {
        names(&self.rules, policy, rule)
    }

    pub(crate) fn rejects(&self, policy: &str, rule: &str) -> bool {
        names(&self.rejected, policy, rule)
    }

    /// Whether reviewers have decided what this rule says of a span with so many findings.
    pub fn decides(&self, policy: &str, rule: &str, findings: usize) -> bool {
        findings <= self.findings && (self.releases(policy, rule) || self.rejects(policy, rule))
    }
}

fn names(rules: &[String], policy: &str, rule: &str) -> bool {
    let is_it = |name: &String| {
        name.strip_prefix(policy).and_then(|rest| rest.strip_prefix('/')) == Some(rule)
    };
    rules.iter().any(is_it)
}

impl Default for Surroundings<'_> {
    fn default() -> Self {
        Self { spending: &Unspent, api_key: None, before_acting: false, released: None }
    }
}

/// How far a budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Within,
    Soft,
    Hard,
}

/// A compiled budget.
#[derive(Debug)]
pub(crate) struct Budget {
    keys: Vec<Key>,
    limit_nano: Option<i64>,
    limit_tokens: Option<u64>,
    window: Window,
    /// Thousandths of the limit.
    soft_milli: u32,
}

#[derive(Debug)]
enum Key {
    Caller,
    Model,
    Provider,
    Agent,
    User,
    Session,
    Environment,
    Service,
    Tool,
    Tag(String),
    Metadata(String),
}

impl Budget {
    /// Reads `{key: [tag.team, model], limit_usd: 500, window: 1d, soft: 0.8}`.
    pub(crate) fn read(value: &Value, place: &str) -> Result<Self, String> {
        let Value::Mapping(map) = value else {
            return Err(format!(
                "{place}: must be a mapping such as `{{limit_usd: 500, window: 1d}}`"
            ));
        };
        let mut budget = Self {
            keys: Vec::new(),
            limit_nano: None,
            limit_tokens: None,
            window: Window::Day,
            soft_milli: 800,
        };
        let mut has_window = false;
        for (key, value) in map {
            let place = format!("{place}.{}", key.as_str().unwrap_or("?"));
            match key.as_str().unwrap_or_default() {
                "key" => {
                    let read = |word: &String| {
                        Key::named(word).ok_or_else(|| format!(
                        "{place}: `{word}` is not one of workspace, key, model, provider, agent, user, session, \
                         environment, service, tool, tag.<name>, metadata.<name>"
                    ))
                    };
                    let words = texts(value, &place)?;
                    let words = words.iter().filter(|word| *word != "workspace");
                    budget.keys = words.map(read).collect::<Result<_, _>>()?;
                }
                "limit_usd" => {
                    let usd = value.as_f64().and_then(NanoUsd::from_usd).filter(|n| n.0 > 0);
                    budget.limit_nano =
                        Some(usd.ok_or_else(|| format!("{place}: must be an amount above 0"))?.0);
                }
                "limit_tokens" => {
                    let tokens = value.as_u64().filter(|n| *n > 0);
                    budget.limit_tokens =
                        Some(tokens.ok_or_else(|| format!("{place}: must be a number above 0"))?);
                }
                "window" => {
                    let text = value.as_str().unwrap_or_default();
                    budget.window =
                        Window::read(text).map_err(|error| format!("{place}: {error}"))?;
                    has_window = true;
                }
                "soft" => {
                    let share = value.as_f64().filter(|s| (0.0..=1.0).contains(s));
                    let share = share.ok_or_else(|| format!("{place}: must be between 0 and 1"))?;
                    budget.soft_milli = (share * 1e3).round() as u32;
                }
                _ => {
                    return Err(format!(
                        "{place}: unknown key; there are key, limit_usd, limit_tokens, window, soft"
                    ));
                }
            }
        }
        if budget.limit_nano.is_none() && budget.limit_tokens.is_none() {
            return Err(format!("{place}: needs `limit_usd` or `limit_tokens`"));
        }
        if !has_window {
            return Err(format!("{place}: needs `window`, such as 1d or month"));
        }
        Ok(budget)
    }

    /// The budget for people.
    pub(crate) fn listed(&self) -> ListedBudget {
        ListedBudget {
            key: self.keys.iter().map(Key::name).collect(),
            limit_nano_usd: self.limit_nano.map(|limit| limit.to_string()),
            limit_tokens: self.limit_tokens,
            window: match self.window {
                Window::Sliding(ns) => format!("{}s", ns / 1_000_000_000),
                Window::Hour => "hour".to_owned(),
                Window::Day => "day".to_owned(),
                Window::Week => "week".to_owned(),
                Window::Month => "month".to_owned(),
            },
            soft: f64::from(self.soft_milli) / 1e3,
            over: self.window,
        }
    }

    pub(crate) fn window(&self) -> Window {
        self.window
    }

    /// The values under which a span spends; none when it lacks one of them.
    pub(crate) fn key_of(&self, span: &Span, api_key: Option<&str>) -> Option<String> {
        let mut out = String::new();
        for (n, key) in self.keys.iter().enumerate() {
            if n > 0 {
                out.push('\u{1f}');
            }
            out.push_str(&key.of(span, api_key)?);
        }
        Some(out)
    }

    /// How the budget stands when this comes on top.
    pub(crate) fn level(&self, spent: Spent, more: Spent) -> Level {
        let total = spent.plus(more);
        let at = |share: u32| {
            let reached = |used: i128, limit: i128| used * 1_000 > limit * i128::from(share);
            self.limit_nano.is_some_and(|l| reached(total.nano_usd.into(), l.into()))
                || self.limit_tokens.is_some_and(|l| reached(total.tokens.into(), l.into()))
        };
        match (at(1_000), at(self.soft_milli)) {
            (true, _) => Level::Hard,
            (_, true) => Level::Soft,
            _ => Level::Within,
        }
    }
}

/// What a span spends: nothing while it runs, and nothing where it only repeats its calls' sums.
pub(crate) fn amount(span: &Span, before_acting: bool) -> Spent {
    let counts = before_acting
        || (span.status.is_sealed() && SpanHead::of(span).usage_role == UsageRole::Leaf);
    if !counts {
        return Spent::default();
    }
    let tokens = span.usage.map_or(0, |u| u.input_tokens().saturating_add(u.output_tokens()));
    Spent { nano_usd: span.cost.amount.map_or(0, |n| n.0.max(0)), tokens }
}

impl Key {
    /// As a file writes it.
    fn name(&self) -> String {
        let plain = match self {
            Self::Caller => "key",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Agent => "agent",
            Self::User => "user",
            Self::Session => "session",
            Self::Environment => "environment",
            Self::Service => "service",
            Self::Tool => "tool",
            Self::Tag(name) => return format!("tag.{name}"),
            Self::Metadata(name) => return format!("metadata.{name}"),
        };
        plain.to_owned()
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "key" | "api_key" => Self::Caller,
            "model" => Self::Model,
            "provider" => Self::Provider,
            "agent" => Self::Agent,
            "user" => Self::User,
            "session" => Self::Session,
            "environment" => Self::Environment,
            "service" => Self::Service,
            "tool" => Self::Tool,
            name => match (name.strip_prefix("tag."), name.strip_prefix("metadata.")) {
                (Some(tag), _) if !tag.is_empty() => Self::Tag(tag.to_owned()),
                (_, Some(key)) if !key.is_empty() => Self::Metadata(key.to_owned()),
                _ => return None,
            },
        })
    }

    fn of(&self, span: &Span, api_key: Option<&str>) -> Option<String> {
        match self {
            Self::Caller => api_key.map(str::to_owned),
            Self::Model => span.model.clone(),
            Self::Provider => span.provider.clone(),
            Self::Agent => span.agent.clone(),
            Self::User => span.user.clone(),
            Self::Session => span.session.clone(),
            Self::Environment => span.environment.clone(),
            Self::Service => span.service.clone(),
            Self::Tool => span.tool.clone(),
            Self::Metadata(key) => span.metadata.get(key).cloned(),
            // `team:search` or `team=search`, else metadata of that name.
            Self::Tag(name) => {
                let value = |tag: &String| {
                    Some(tag.strip_prefix(name.as_str())?.strip_prefix([':', '='])?.to_owned())
                };
                span.tags.iter().find_map(value).or_else(|| span.metadata.get(name).cloned())
            }
        }
    }
}

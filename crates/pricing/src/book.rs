//! The price book: every tier, in order, with a cache in front.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, PoisonError, RwLock},
};

use exhibit_model::{Cost, CostSource, Flag, Span, SpanKind, limits::NAME_CHARS_MAX};
use sha2::{Digest, Sha256};

use crate::{
    PriceError, PriceListing,
    card::RateCard,
    file::{Entry, PriceFile},
    table::{self, TableModel},
};

/// Nanoseconds of a day.
pub(crate) const DAY_NANOS: i64 = 86_400 * 1_000_000_000;
/// Cached answers; beyond it the cache starts anew, so that invented model names cannot fill memory.
const CACHE_ENTRIES_MAX: usize = 8_192;
/// Instants of table prices are kept within these days (2015 to 2065): nothing changes beyond them.
const TABLE_DAYS: (i64, i64) = (16_436, 34_698);

/// The prices in force. Cheap to clone and to share; never changes.
#[derive(Clone)]
pub struct PriceBook {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    hash: [u8; 32],
    file: PriceFile,
    default_rule: String,
    hasher: RandomState,
    answers: RwLock<HashMap<u64, Vec<(Question, Answer)>>>,
    /// Cards of the table by its own names, so that many names of one model cost one computation.
    cards: RwLock<HashMap<(TableModel, i64), Answer>>,
}

/// What a price depends on, besides usage.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    model: Option<String>,
    provider: Option<String>,
    tier: Option<String>,
    day: i64,
    /// Half hour of the day, where prices change within it.
    slot: Option<i64>,
}

#[derive(Clone)]
enum Answer {
    Priced(Arc<Priced>),
    /// Ask again with the slot.
    BySlot,
    Unknown,
}

struct Priced {
    card: RateCard,
    source: CostSource,
    rule: String,
}

impl PriceBook {
    /// Reads a price file; `name` is what messages and [`Cost::rule`] call it, such as
    /// `rules/pricing.yaml`. An empty text is a file without prices of its own.
    pub fn from_yaml(text: &str, name: &str) -> Result<Self, PriceError> {
        let file = PriceFile::parse(text, name)?;
        let mut digest = Sha256::new();
        digest.update(table::VERSION.as_bytes());
        digest.update([0]);
        digest.update(text.as_bytes());
        Ok(Self {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                hash: digest.finalize().into(),
                file,
                default_rule: format!("{name} default"),
                hasher: RandomState::new(),
                answers: RwLock::default(),
                cards: RwLock::default(),
            }),
        })
    }

    /// What a span costs, and how we know. Pure in the span: nothing is written to it. A span that
    /// encloses others, or repeats their sum, has no price of its own unless its client reported one.
    pub fn price(&self, span: &Span) -> Cost {
        if let Some(reported) = span.cost_reported {
            return Cost { amount: Some(reported), source: CostSource::Agent, rule: None };
        }
        let Some(usage) = &span.usage else { return Cost::UNKNOWN };
        if span.kind().is_container() || span.flags.contains(&Flag::AggregateUsage) {
            return Cost::UNKNOWN;
        }
        let model = span.model.as_deref().or(span.model_requested.as_deref());
        let calls_models =
            matches!(span.kind(), SpanKind::Llm | SpanKind::Embedding | SpanKind::Reranker);
        if model.is_none() && !calls_models {
            return Cost::UNKNOWN;
        }
        let Some(priced) = self.inner.find(span, model) else { return Cost::UNKNOWN };
        match priced.card.price(usage) {
            Some(amount) => Cost {
                amount: Some(amount),
                source: priced.source,
                rule: Some(priced.rule.clone()),
            },
            None => Cost::UNKNOWN,
        }
    }

    /// Everything in force, for people.
    pub fn listing(&self) -> PriceListing {
        PriceListing::of(&self.inner.file, &self.inner.name, self.inner.hash)
    }

    /// SHA-256 over the table's version and the file: two books with one hash price alike.
    pub fn hash(&self) -> [u8; 32] {
        self.inner.hash
    }
}

impl Inner {
    fn find(&self, span: &Span, model: Option<&str>) -> Option<Arc<Priced>> {
        let at = span.start.unwrap_or(span.received).0;
        let (provider, tier) = (span.provider.as_deref(), span.service_tier.as_deref());
        let too_long = |name: Option<&str>| name.is_some_and(|n| n.len() > 4 * NAME_CHARS_MAX);
        if too_long(model) || too_long(provider) || too_long(tier) {
            return None;
        }
        let day = at.div_euclid(DAY_NANOS);
        let mut slot = None;
        loop {
            let hash = self.hasher.hash_one((model, provider, tier, day, slot));
            let known = self.cached(hash, |q| {
                q.model.as_deref() == model
                    && q.provider.as_deref() == provider
                    && q.tier.as_deref() == tier
                    && (q.day, q.slot) == (day, slot)
            });
            let answer = known.unwrap_or_else(|| {
                let question = Question {
                    model: model.map(str::to_owned),
                    provider: provider.map(str::to_owned),
                    tier: tier.map(str::to_owned),
                    day,
                    slot,
                };
                let answer = self.answer(&question);
                self.remember(hash, question, &answer);
                answer
            });
            match answer {
                Answer::Priced(priced) => return Some(priced),
                Answer::BySlot if slot.is_none() => {
                    slot = Some(at.rem_euclid(DAY_NANOS) / table::SLOT_NANOS);
                }
                Answer::BySlot | Answer::Unknown => return None,
            }
        }
    }

    fn cached(&self, hash: u64, same: impl Fn(&Question) -> bool) -> Option<Answer> {
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        answers.get(&hash)?.iter().find(|(q, _)| same(q)).map(|(_, answer)| answer.clone())
    }

    fn remember(&self, hash: u64, question: Question, answer: &Answer) {
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= CACHE_ENTRIES_MAX {
            answers.clear();
        }
        let known = answers.entry(hash).or_default();
        if !known.iter().any(|(q, _)| *q == question) {
            known.push((question, answer.clone()));
        }
    }

    /// The three tiers of prices, in order.
    fn answer(&self, question: &Question) -> Answer {
        if let Some(model) = &question.model {
            if let Some(entry) = self.own_entry(model, question) {
                let tier = question.tier.as_ref().map(|tier| tier.to_lowercase());
                let variant = tier.and_then(|tier| entry.service_tiers.get(&tier));
                return Answer::Priced(Arc::new(Priced {
                    card: variant.unwrap_or(&entry.card).clone(),
                    source: CostSource::Table,
                    rule: format!("{} {}", self.name, entry.model),
                }));
            }
            let found = table::find(question.provider.as_deref(), model, question.tier.as_deref());
            if let Some(found) = found {
                match self.table_answer(&found, question) {
                    Answer::Unknown => {}
                    answer => return answer,
                }
            }
        }
        match &self.file.default {
            Some(card) => Answer::Priced(Arc::new(Priced {
                card: card.clone(),
                source: CostSource::Default,
                rule: self.default_rule.clone(),
            })),
            None => Answer::Unknown,
        }
    }

    fn table_answer(&self, found: &TableModel, question: &Question) -> Answer {
        let day = question.day.clamp(TABLE_DAYS.0, TABLE_DAYS.1);
        let at = day * DAY_NANOS + question.slot.unwrap_or(0) * table::SLOT_NANOS;
        let key = (found.by_table_names(), at + i64::from(question.slot.is_some()));
        let cards = self.cards.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = cards.get(&key) {
            return answer.clone();
        }
        drop(cards);
        let answer = if question.slot.is_none() && found.changes_within_day(at) {
            Answer::BySlot
        } else if let Some(card) = found.card(at) {
            let rule =
                format!("genai-prices {} {}/{}", table::VERSION, found.provider, found.model);
            Answer::Priced(Arc::new(Priced { card, source: CostSource::Table, rule }))
        } else {
            Answer::Unknown
        };
        let mut cards = self.cards.write().unwrap_or_else(PoisonError::into_inner);
        if cards.len() >= CACHE_ENTRIES_MAX {
            cards.clear();
        }
        cards.insert(key, answer.clone());
        answer
    }

    /// The operator's entry that fits best: exact names before patterns, entries for the provider
    /// before general ones, longer patterns before shorter, later dates before earlier.
    fn own_entry(&self, model: &str, question: &Question) -> Option<&Entry> {
        let model = model.to_lowercase();
        let provider = question.provider.as_ref().map(|p| p.to_lowercase());
        let qualified = provider.as_ref().map(|p| format!("{p}/{model}"));
        let fits = |entry: &Entry| {
            if entry.provider.is_some() && entry.provider != provider {
                return None;
            }
            if entry.from.as_ref().is_some_and(|day| question.day < day.number)
                || entry.until.as_ref().is_some_and(|day| question.day > day.number)
            {
                return None;
            }
            let names = std::iter::once(&entry.model).chain(&entry.aliases);
            let best = names
                .filter_map(|name| {
                    let name = name.to_lowercase();
                    let score = fit(&name, &model);
                    score.max(qualified.as_ref().and_then(|model| fit(&name, model)))
                })
                .max()?;
            let from = entry.from.as_ref().map_or(i64::MIN, |day| day.number);
            Some((best.0, entry.provider.is_some(), best.1, from))
        };
        // Of equals the first in the file wins.
        let scored = self.file.entries.iter().filter_map(|entry| Some((fits(entry)?, entry)));
        scored.rev().max_by_key(|(score, _)| *score).map(|(_, entry)| entry)
    }
}

/// How well a name or pattern fits: whether exactly, and how many characters it fixes.
fn fit(pattern: &str, name: &str) -> Option<(bool, usize)> {
    if !pattern.contains('*') {
        return (pattern == name).then_some((true, pattern.len()));
    }
    let fixed = pattern.len() - pattern.matches('*').count();
    let mut pieces = pattern.split('*');
    let mut rest = name.strip_prefix(pieces.next()?)?;
    let last = pieces.next_back()?;
    for piece in pieces {
        rest = &rest[rest.find(piece)? + piece.len()..];
    }
    rest.ends_with(last).then_some((false, fixed))
}

impl std::fmt::Debug for PriceBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries = self.inner.file.entries.len();
        f.debug_struct("PriceBook")
            .field("name", &self.inner.name)
            .field("entries", &entries)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn patterns_fit_whole_names() {
        assert!(fit("gpt-4o*", "gpt-4o-mini").is_some());
        assert!(fit("*-mini", "gpt-4o-mini").is_some());
        assert!(fit("gpt-*-mini", "gpt-mini").is_none());
        assert!(fit("a*b*a", "aba").is_some());
        assert!(fit("ab*ba", "aba").is_none());
        assert!(fit("gpt-4o", "gpt-4o-mini").is_none());
    }
}

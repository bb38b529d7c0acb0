//! The pass over a span's attributes.

use std::borrow::Cow;

use exhibit_model::{Flag, Json, Part, Span};

use crate::{
    dialect::{Entry, EventRead, Field, Read, Side, registry, sentinel, vendor},
    read, stamp,
};

/// An event's attribute is a little weaker than the span's own.
const EVENT_BIAS: u16 = 5;
/// A resource's attribute is weaker than anything of the span.
const RESOURCE_BIAS: u16 = 20_000;

/// Where an answer of a list says why it ended.
const FINISH: &str = "finish_reason";

/// A rule that applies to a key the span has.
pub(crate) struct Found<'a> {
    /// The rule.
    pub(crate) entry: Entry,
    /// The whole key.
    pub(crate) key: &'a str,
    /// What follows the rule's prefix.
    pub(crate) rest: &'a str,
    /// The value the rule speaks of.
    pub(crate) value: Cow<'a, Json>,
    /// What makes the place weaker.
    pub(crate) bias: u16,
    /// Position of the attribute among the span's own; none for events and the resource.
    pub(crate) position: Option<usize>,
}

impl Found<'_> {
    /// Smaller is stronger. No two rules have the same.
    pub(crate) fn order(&self) -> u32 {
        let rank = self.entry.rule.rank.saturating_add(self.bias);
        u32::from(rank) << 16 | u32::from(self.entry.number)
    }
}

/// Calls `found` with every rule that applies to an attribute of the span, of its events, or of its
/// resource.
pub(crate) fn walk<'a>(span: &'a Span, mut found: impl FnMut(Found<'a>)) {
    for (position, attribute) in span.attributes.iter().enumerate() {
        one(&attribute.key, &attribute.value, 0, Some(position), &mut found);
    }
    for event in &span.events {
        let read = registry().event(&event.name);
        if !matches!(read, Some(EventRead::Attributes | EventRead::Exception)) {
            continue;
        }
        let body = event.body.as_ref().and_then(Json::as_object);
        for (key, value) in event.attributes.iter().chain(body.into_iter().flatten()) {
            one(key, value, EVENT_BIAS, None, &mut found);
        }
    }
    for (key, value) in &span.resource.attributes {
        one(key, value, RESOURCE_BIAS, None, &mut |candidate: Found<'a>| {
            if candidate.entry.rule.field.resource_supplies() {
                found(candidate);
            }
        });
    }
}

fn one<'a>(
    key: &'a str,
    value: &'a Json,
    bias: u16,
    position: Option<usize>,
    found: &mut impl FnMut(Found<'a>),
) {
    let mut inner: Option<Cow<'a, Json>> = None;
    registry().rules(key, |entry, length| {
        let value = if entry.rule.path.is_empty() {
            Cow::Borrowed(value)
        } else {
            let whole = inner.get_or_insert_with(|| read::unfolded(value));
            match read::at(whole, entry.rule.path) {
                Some(inside) => Cow::Owned(inside.clone()),
                None => return,
            }
        };
        let rest = key.get(length..).unwrap_or_default();
        found(Found { entry, key, rest, value, bias, position });
    });
}

/// The strongest candidate of a field.
pub(super) struct Hit<'a> {
    pub(super) order: u32,
    pub(super) entry: Entry,
    pub(super) key: &'a str,
    pub(super) value: Cow<'a, Json>,
}

impl Hit<'_> {
    /// Its text, as its rule reads it.
    pub(super) fn text(&self) -> Option<String> {
        match self.entry.rule.read {
            Read::Word(word) => word(&read::word(&self.value)?),
            _ => read::text(&self.value),
        }
    }
}

/// One of several entries of a field, such as one tag or one parameter.
pub(super) struct Item<'a> {
    pub(super) order: u32,
    pub(super) key: &'a str,
    /// The entry's own name; empty when the value is an object of entries.
    pub(super) name: &'a str,
    pub(super) value: Cow<'a, Json>,
}

/// What one pass has found.
pub(super) struct Gathered<'a> {
    /// The part of each attribute.
    pub(super) parts: Vec<Part>,
    pub(super) slots: [Option<Hit<'a>>; Field::COUNT],
    pub(super) params: Vec<Item<'a>>,
    pub(super) tags: Vec<Item<'a>>,
    pub(super) metadata: Vec<Item<'a>>,
    /// Bits of the dialects whose own words were seen.
    pub(super) dialects: u64,
    /// Flags that the values earned.
    pub(super) flags: Vec<Flag>,
    /// An exception was recorded, or messages of a model call.
    pub(super) exception: bool,
    pub(super) messages: bool,
    /// Finish reasons that stand beside single answers.
    pub(super) finish_reasons: Vec<String>,
}

pub(super) fn gather(span: &Span) -> Gathered<'_> {
    let mut gathered = Gathered {
        parts: Vec::new(),
        slots: [const { None }; Field::COUNT],
        params: Vec::new(),
        tags: Vec::new(),
        metadata: Vec::new(),
        dialects: 0,
        flags: Vec::new(),
        exception: false,
        messages: false,
        finish_reasons: Vec::new(),
    };
    gathered.parts = vec![Part::Attributes; span.attributes.len()];
    walk(span, |found| {
        let rule = found.entry.rule;
        // A word for the kind shows a dialect only when the dialect knows the word.
        let spoken = match rule.read {
            Read::Kind(kind) => found.value.as_str().is_some_and(|word| kind(word).is_some()),
            _ => !rule.common,
        };
        if spoken && !rule.common && found.bias < RESOURCE_BIAS {
            gathered.dialects |= 1 << found.entry.dialect;
        }
        match rule.field.side() {
            Side::Header => gathered.take(found, span),
            side => {
                if let Some(part) = found.position.and_then(|at| gathered.parts.get_mut(at))
                    && *part != Part::Input
                {
                    *part = if side == Side::Input { Part::Input } else { Part::Output };
                }
                if found.value.as_str().is_some_and(sentinel::is_masked) {
                    gathered.flag(Flag::MaskedAtSource);
                }
                if rule.field == Field::Output && found.rest.ends_with(FINISH) {
                    gathered.finish_reasons.extend(read::text(&found.value));
                }
            }
        }
    });
    for event in &span.events {
        match registry().event(&event.name) {
            Some(EventRead::Exception) => gathered.exception = true,
            Some(EventRead::InputMessage(_)) => gathered.messages = true,
            Some(EventRead::OutputMessage) => {
                gathered.messages = true;
                let body = event.body.as_ref().and_then(|body| body.get(FINISH));
                let reason = event.attributes.get(FINISH).or(body).and_then(read::text);
                gathered.finish_reasons.extend(reason);
            }
            _ => {}
        }
    }
    if !span.scope.name.is_empty() {
        gathered.dialects |= registry().of_scope(&span.scope.name);
    }
    gathered.dialects |= registry().of_resource(&span.resource);
    gathered
}

impl<'a> Gathered<'a> {
    pub(super) fn slot(&self, field: Field) -> Option<&Hit<'a>> {
        self.slots.get(field as usize).and_then(Option::as_ref)
    }

    fn flag(&mut self, flag: Flag) {
        if !self.flags.contains(&flag) {
            self.flags.push(flag);
        }
    }

    fn take(&mut self, found: Found<'a>, span: &Span) {
        let order = found.order();
        let rule = found.entry.rule;
        if read::is_absent(&found.value) {
            return;
        }
        let items = match rule.field {
            Field::Param => Some(&mut self.params),
            Field::Tags => Some(&mut self.tags),
            Field::Metadata => Some(&mut self.metadata),
            Field::Marker => return,
            _ => None,
        };
        if let Some(items) = items {
            let name = if rule.name.is_empty() { found.rest } else { rule.name };
            items.push(Item { order, key: found.key, name, value: found.value });
            return;
        }
        let field = rule.field as usize;
        let stronger = |held: &Hit| (held.order, held.key) <= (order, found.key);
        if self.slots[field].as_ref().is_some_and(stronger) {
            return;
        }
        if self.reads(rule.field, rule.read, &found.value, span) {
            let hit = Hit { order, entry: found.entry, key: found.key, value: found.value };
            self.slots[field] = Some(hit);
        }
    }

    /// Whether the value says something as its rule reads it.
    fn reads(&mut self, field: Field, how: Read, value: &Json, span: &Span) -> bool {
        match how {
            Read::Kind(kind) => read::word(value).is_some_and(|word| kind(&word).is_some()),
            Read::Word(word) => read::word(value).is_some_and(|text| word(&text).is_some()),
            Read::When(satisfied) => satisfied(value),
            Read::Count => {
                if let Ok(count) = read::count(value) {
                    if value.is_string() {
                        self.flag(Flag::NumberAsText);
                    }
                    count.is_some()
                } else {
                    self.flag(Flag::UsageUnreadable);
                    false
                }
            }
            Read::Usd => read::number(value)
                .is_some_and(|usd| exhibit_model::NanoUsd::from_usd(usd).is_some()),
            Read::Seconds | Read::Millis => read::number(value).is_some_and(|n| n >= 0.0),
            Read::Since => {
                let text = read::text(value).map(Json::String);
                let at = text.and_then(|text| stamp::read(&text).ok());
                span.start.is_some_and(|start| at.is_some_and(|at| at >= start))
            }
            Read::Text => match read::word(value) {
                Some(text) if sentinel::is_masked(&text) => {
                    self.flag(Flag::MaskedAtSource);
                    false
                }
                Some(text) => field != Field::Provider || vendor::canonical(&text).is_some(),
                None => false,
            },
            Read::Means(_) | Read::List | Read::Whole | Read::Folded(_) => true,
        }
    }
}

//! The strongest candidate of each kind of content.

use std::{borrow::Cow, collections::BTreeMap};

use exhibit_model::{Json, Span};

use super::fold;
use crate::{
    dialect::{EventRead, Field, Read, Rule, Side, registry, sentinel},
    map::walk,
    read,
};

/// Messages that came as events count this strongly.
const EVENTS_RANK: u32 = 80 << 16 | 0xFFFF;
/// Documents that came as events count this strongly.
const DOCUMENTS_RANK: u32 = 40 << 16 | 0xFFFF;

enum Candidate<'a> {
    One(Cow<'a, Json>),
    /// The rule's number: its keys are gathered in a group.
    Group(u16),
    Made(Json),
}

type Group<'a> = (&'static Rule, Vec<(&'a str, Cow<'a, Json>)>);

/// The winners, and how strong they are.
pub(super) struct Picked<'a> {
    slots: [Option<(u32, Candidate<'a>)>; Field::COUNT],
    groups: BTreeMap<u16, Group<'a>>,
}

pub(super) fn pick(span: &Span) -> Picked<'_> {
    let mut picked = Picked { slots: [const { None }; Field::COUNT], groups: BTreeMap::new() };
    walk(span, |found| {
        let rule = found.entry.rule;
        if rule.field.side() == Side::Header
            || read::is_absent(&found.value)
            || found.value.as_str().is_some_and(sentinel::is_masked)
        {
            return;
        }
        let order = found.order();
        if rule.reach == crate::dialect::Reach::Indexed {
            let number = found.entry.number;
            let group = picked.groups.entry(number).or_insert_with(|| (rule, Vec::new()));
            group.1.push((found.rest, found.value));
            picked.offer(rule.field, order, || Candidate::Group(number));
        } else if let Read::Folded(fold) = rule.read {
            let value = fold(read::unfolded(&found.value).into_owned());
            if !read::is_absent(&value) {
                picked.offer(rule.field, order, || Candidate::Made(value));
            }
        } else {
            picked.offer(rule.field, order, || Candidate::One(found.value));
        }
    });
    events(span, &mut picked);
    picked
}

fn events(span: &Span, picked: &mut Picked) {
    let (mut asked, mut told, mut documents) = (Vec::new(), Vec::new(), Vec::new());
    for event in &span.events {
        match registry().event(&event.name) {
            Some(EventRead::InputMessage(role)) => asked.push(super::of_event(event, role)),
            Some(EventRead::OutputMessage) => told.push(super::of_event(event, "assistant")),
            Some(EventRead::Document) => documents.push(Json::Object(event.attributes.clone())),
            _ => {}
        }
    }
    for (field, order, list) in [
        (Field::Input, EVENTS_RANK, asked),
        (Field::Output, EVENTS_RANK, told),
        (Field::Documents, DOCUMENTS_RANK, documents),
    ] {
        if !list.is_empty() {
            picked.offer(field, order, || Candidate::Made(Json::Array(list)));
        }
    }
}

impl<'a> Picked<'a> {
    fn offer(&mut self, field: Field, order: u32, candidate: impl FnOnce() -> Candidate<'a>) {
        let slot = &mut self.slots[field as usize];
        if slot.as_ref().is_none_or(|held| order < held.0) {
            *slot = Some((order, candidate()));
        }
    }

    /// Takes the winner of a field, unfolded, with its order.
    pub(super) fn take(&mut self, field: Field) -> Option<(u32, Json)> {
        let (order, candidate) = self.slots[field as usize].take()?;
        let value = match candidate {
            Candidate::Made(value) => value,
            Candidate::One(value) => match value {
                Cow::Owned(value) => read::unfolded(&value).into_owned(),
                Cow::Borrowed(value) => read::unfolded(value).into_owned(),
            },
            Candidate::Group(number) => {
                let (rule, entries) = self.groups.remove(&number)?;
                let list = fold::fold(entries);
                match rule.read {
                    Read::Folded(shape) => shape(list),
                    _ => list,
                }
            }
        };
        (!read::is_absent(&value)).then_some((order, value))
    }
}

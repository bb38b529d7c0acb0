//! The texts of a span that detectors look at: every string value, however deep, and long numbers;
//! those of the resource and the scope that it was sent with, too.

use std::sync::{Arc, Mutex, Weak};

use exhibit_model::{InstrumentationScope as Scope, Json, JsonMap, Part, Resource, Span};

use crate::{
    place::{Place, Root, Slot, Step},
    scan::{Engine, FINDINGS_MAX, Hit, Scratch},
};

/// Deepest nesting that is looked at; far above what decoders let in. Deeper values are withheld.
const DEPTH_MAX: usize = 256;
/// A name with fewer digits is no account or identity number, and no key of random characters.
const NAME_DIGITS_MIN: usize = 3;
/// Shorter numbers are no card, account or identity number.
const NUMBER_MIN: u64 = 100_000_000;

/// What was found in a span.
#[derive(Default)]
pub(super) struct Found {
    pub(super) hits: Vec<(Place, Hit)>,
    /// How many of them count.
    sure: usize,
    /// Not everything was looked at.
    pub(super) cut: bool,
    pub(super) too_deep: Vec<Place>,
    /// Detectors that did not look at everything.
    pub(super) cut_off: Vec<String>,
}

struct Walk<'a> {
    engine: &'a Engine,
    scratch: Scratch,
    found: Found,
    /// What is looked at is what a model was asked or said.
    content: bool,
}

#[derive(Clone, Copy)]
enum StepRef<'a> {
    Key(&'a str),
    Index(usize),
    Name,
}

/// Remembers the sender whose resource and scope were found clean last: all spans of a batch share
/// them, so they are looked at once.
#[derive(Debug, Default)]
pub(super) struct CleanSender(Mutex<(Weak<Resource>, Weak<Scope>)>);

impl CleanSender {
    fn is(&self, span: &Span) -> bool {
        let held = self.0.try_lock();
        held.is_ok_and(|held| {
            std::ptr::eq(held.0.as_ptr(), &raw const *span.resource)
                && std::ptr::eq(held.1.as_ptr(), &raw const *span.scope)
        })
    }

    /// As long as they are remembered here nobody can change them in place.
    fn note(&self, span: &Span) {
        if let Ok(mut held) = self.0.try_lock() {
            *held = (Arc::downgrade(&span.resource), Arc::downgrade(&span.scope));
        }
    }
}

/// Finds everything in a span.
pub(super) fn find(engine: &Engine, span: &Span, clean: &CleanSender) -> Found {
    let (scratch, found) = (Scratch::default(), Found::default());
    let mut walk = Walk { engine, scratch, found, content: false };
    if let Some(name) = &span.name {
        walk.text(name, None, &[], || Root::Name);
    }
    if let Some(message) = &span.status_message {
        walk.text(message, None, &[], || Root::StatusMessage);
    }
    let mut path = Vec::new();
    for (n, attribute) in span.attributes.iter().enumerate() {
        walk.content = matches!(attribute.part, Part::Input | Part::Output);
        walk.name(&attribute.key, &mut path, &|| Root::Attribute(n));
        walk.value(&attribute.value, &attribute.key, &mut path, &|| Root::Attribute(n));
    }
    walk.content = false;
    for (n, event) in span.events.iter().enumerate() {
        walk.text(&event.name, None, &[], || Root::EventName(n));
        walk.map(&event.attributes, |key| Root::EventAttribute(n, key));
        if let Some(body) = &event.body {
            walk.value(body, "body", &mut path, &|| Root::EventBody(n));
        }
    }
    for (n, link) in span.links.iter().enumerate() {
        walk.map(&link.attributes, |key| Root::LinkAttribute(n, key));
    }
    if !clean.is(span) {
        let before = (walk.found.hits.len(), walk.found.too_deep.len());
        walk.sender(span);
        let after = (walk.found.hits.len(), walk.found.too_deep.len());
        if before == after && !walk.found.cut {
            clean.note(span);
        }
    }
    walk.found.cut_off = walk.scratch.cut_off(engine).map(|detector| detector.id.clone()).collect();
    walk.found
}

impl Walk<'_> {
    /// What describes who sent the span.
    fn sender(&mut self, span: &Span) {
        self.map(&span.resource.attributes, Root::Resource);
        if !span.scope.name.is_empty() {
            self.text(&span.scope.name, None, &[], || Root::ScopeName);
        }
        if !span.scope.version.is_empty() {
            self.text(&span.scope.version, None, &[], || Root::ScopeVersion);
        }
        self.map(&span.scope.attributes, Root::ScopeAttribute);
    }

    fn map(&mut self, map: &JsonMap, root: impl Fn(String) -> Root) {
        for (key, value) in map {
            let mut path = Vec::new();
            self.name(key, &mut path, &|| root(key.clone()));
            self.value(value, key, &mut path, &|| root(key.clone()));
        }
    }

    /// What a value is called may say more than the value: accounts by number, people by address.
    fn name<'a>(&mut self, name: &'a str, path: &mut Vec<StepRef<'a>>, root: &dyn Fn() -> Root) {
        let digits = name.bytes().filter(u8::is_ascii_digit).count();
        if digits >= NAME_DIGITS_MIN || name.contains('@') || !name.is_ascii() {
            path.push(StepRef::Name);
            self.text(name, None, path, root);
            path.pop();
        }
    }

    fn value<'a>(
        &mut self,
        value: &'a Json,
        key: &'a str,
        path: &mut Vec<StepRef<'a>>,
        root: &dyn Fn() -> Root,
    ) {
        if path.len() > DEPTH_MAX {
            self.found.too_deep.push(place(root(), path));
            return;
        }
        match value {
            Json::String(text) => self.text(text, Some(key), path, root),
            Json::Number(number) if number.as_u64().is_some_and(|n| n >= NUMBER_MIN) => {
                self.text(&number.to_string(), Some(key), path, root);
            }
            Json::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    path.push(StepRef::Index(n));
                    self.value(item, key, path, root);
                    path.pop();
                }
            }
            Json::Object(map) => {
                for (key, value) in map {
                    path.push(StepRef::Key(key));
                    self.name(key, path, root);
                    self.value(value, key, path, root);
                    path.pop();
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn text(
        &mut self,
        text: &str,
        key: Option<&str>,
        path: &[StepRef<'_>],
        root: impl Fn() -> Root,
    ) {
        if self.found.sure >= FINDINGS_MAX {
            self.found.cut = true;
            return;
        }
        let hits = if self.content {
            self.engine.scan_content(text, key, &mut self.scratch)
        } else {
            self.engine.scan(text, key, &mut self.scratch)
        };
        for hit in hits {
            if hit.is_sure() {
                if self.found.sure >= FINDINGS_MAX {
                    break;
                }
                self.found.sure += 1;
            }
            self.found.hits.push((place(root(), path), hit));
        }
        self.found.cut |= self.found.sure >= FINDINGS_MAX;
    }
}

fn place(root: Root, path: &[StepRef<'_>]) -> Place {
    let owned = |step: &StepRef<'_>| match step {
        StepRef::Key(key) => Step::Key((*key).to_owned()),
        StepRef::Index(n) => Step::Index(*n),
        StepRef::Name => Step::Name,
    };
    Place { root, path: path.iter().map(owned).collect() }
}

/// Replaces values that were too deep to look at.
pub(super) fn withhold(span: &mut Span, places: &[Place]) {
    for place in places {
        if let Some(slot @ Slot::Json(_)) = place.resolve(span) {
            slot.set("[WITHHELD]".to_owned());
        }
        super::mark_withheld(span);
    }
}

//! Where in a span a text stands, and how to get there again.

use std::{fmt::Write, sync::Arc};

use exhibit_model::{Json, Part, Span};

/// A text of a span.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) root: Root,
    /// The way into the root's JSON value.
    pub(crate) path: Vec<Step>,
}

/// Where a JSON value or text hangs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Root {
    Name,
    StatusMessage,
    Attribute(usize),
    EventName(usize),
    EventAttribute(usize, String),
    EventBody(usize),
    LinkAttribute(usize, String),
    Resource(String),
    ScopeName,
    ScopeVersion,
    ScopeAttribute(String),
}

/// One step into a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
    /// Not into the value but to the name under which it stands; always the last.
    Name,
}

impl Place {
    /// The part of the record it is kept in.
    pub(crate) fn part(&self, span: &Span) -> Part {
        match self.root {
            Root::Name | Root::StatusMessage => Part::Header,
            Root::Attribute(at) => span.attributes.get(at).map_or(Part::Attributes, |a| a.part),
            Root::Resource(_) | Root::ScopeName | Root::ScopeVersion | Root::ScopeAttribute(_) => {
                Part::Attributes
            }
            Root::EventName(_)
            | Root::EventAttribute(..)
            | Root::EventBody(_)
            | Root::LinkAttribute(..) => Part::Events,
        }
    }

    /// JSON pointer (RFC 6901) into the part; a `#` at its end says that the name itself is meant, as in
    /// relative pointers.
    pub(crate) fn pointer(&self, span: &Span) -> String {
        let mut out = String::new();
        match &self.root {
            Root::Name => out.push_str("/name"),
            Root::StatusMessage => out.push_str("/status_message"),
            Root::Attribute(at) => {
                escaped(span.attributes.get(*at).map_or("", |a| &a.key), &mut out);
            }
            Root::EventName(n) => push(&mut out, format_args!("/events/{n}/name")),
            Root::EventAttribute(n, key) => {
                push(&mut out, format_args!("/events/{n}/attributes"));
                escaped(key, &mut out);
            }
            Root::EventBody(n) => push(&mut out, format_args!("/events/{n}/body")),
            Root::LinkAttribute(n, key) => {
                push(&mut out, format_args!("/links/{n}/attributes"));
                escaped(key, &mut out);
            }
            Root::Resource(key) => {
                out.push_str("/resource");
                escaped(key, &mut out);
            }
            Root::ScopeName => out.push_str("/scope/name"),
            Root::ScopeVersion => out.push_str("/scope/version"),
            Root::ScopeAttribute(key) => {
                out.push_str("/scope/attributes");
                escaped(key, &mut out);
            }
        }
        for step in &self.path {
            match step {
                Step::Key(key) => escaped(key, &mut out),
                Step::Index(n) => push(&mut out, format_args!("/{n}")),
                Step::Name => out.push('#'),
            }
        }
        out
    }

    /// The name it stands for, where it is one.
    pub(crate) fn name<'a>(&'a self, span: &'a Span) -> Option<&'a str> {
        let (Step::Name, before) = self.path.split_last()? else { return None };
        match (before.last(), &self.root) {
            (Some(Step::Key(key)), _) => Some(key),
            (Some(_), _) => None,
            (None, Root::Attribute(at)) => span.attributes.get(*at).map(|a| a.key.as_str()),
            (
                None,
                Root::EventAttribute(_, key)
                | Root::LinkAttribute(_, key)
                | Root::Resource(key)
                | Root::ScopeAttribute(key),
            ) => Some(key),
            (None, _) => None,
        }
    }

    /// The value itself, to replace it.
    pub(crate) fn resolve<'a>(&self, span: &'a mut Span) -> Option<Slot<'a>> {
        let root = match &self.root {
            Root::Name => return span.name.as_mut().map(Slot::Text),
            Root::StatusMessage => return span.status_message.as_mut().map(Slot::Text),
            Root::EventName(n) => return span.events.get_mut(*n).map(|e| Slot::Text(&mut e.name)),
            Root::Attribute(n) => &mut span.attributes.get_mut(*n)?.value,
            Root::EventAttribute(n, key) => span.events.get_mut(*n)?.attributes.get_mut(key)?,
            Root::EventBody(n) => span.events.get_mut(*n)?.body.as_mut()?,
            Root::LinkAttribute(n, key) => span.links.get_mut(*n)?.attributes.get_mut(key)?,
            // Resource and scope are shared by a batch; who changes them gets a copy.
            Root::Resource(key) => Arc::make_mut(&mut span.resource).attributes.get_mut(key)?,
            Root::ScopeName => return Some(Slot::Text(&mut Arc::make_mut(&mut span.scope).name)),
            Root::ScopeVersion => {
                return Some(Slot::Text(&mut Arc::make_mut(&mut span.scope).version));
            }
            Root::ScopeAttribute(key) => Arc::make_mut(&mut span.scope).attributes.get_mut(key)?,
        };
        let mut value = root;
        for step in &self.path {
            value = match step {
                Step::Key(key) => value.get_mut(key)?,
                Step::Index(n) => value.get_mut(*n)?,
                // A name is no value: it is replaced where all names are.
                Step::Name => return None,
            };
        }
        Some(Slot::Json(value))
    }
}

/// A place that holds a text.
pub(crate) enum Slot<'a> {
    Text(&'a mut String),
    Json(&'a mut Json),
}

impl Slot<'_> {
    /// The text; numbers as they are written.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some((*text).clone()),
            Self::Json(Json::String(text)) => Some(text.clone()),
            Self::Json(Json::Number(number)) => Some(number.to_string()),
            Self::Json(_) => None,
        }
    }

    /// Puts another text in its place.
    pub(crate) fn set(self, text: String) {
        match self {
            Self::Text(old) => *old = text,
            Self::Json(old) => *old = Json::String(text),
        }
    }
}

fn push(out: &mut String, piece: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(piece);
}

fn escaped(key: &str, out: &mut String) {
    out.push('/');
    for c in key.chars() {
        match c {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            c => out.push(c),
        }
    }
}

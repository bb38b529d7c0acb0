//! All tables compiled into one map.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::LazyLock,
};

use exhibit_model::{Json, Resource, Span};

use super::{
    ALL,
    log::LogReader,
    rule::{Dialect, EventRead, Reach, Rule},
};

/// A rule and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The row.
    pub(crate) rule: &'static Rule,
    /// Its dialect's position in the registry.
    pub(crate) dialect: u8,
    /// Its own position among all rules: breaks ties of rank.
    pub(crate) number: u16,
}

/// The rules for one key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot {
    /// In the order of the registry.
    pub(crate) entries: Vec<Entry>,
}

type Map<V> = HashMap<&'static str, V, BuildHasherDefault<KeyHasher>>;

/// Every dialect's rules, found by attribute key.
pub(crate) struct Registry {
    exact: Map<Slot>,
    prefixes: Map<Slot>,
    /// Bit n is set when a prefix of n bytes exists.
    prefix_lengths: u128,
    events: Map<EventRead>,
    scopes: Vec<(&'static str, u8)>,
    services: Map<u8>,
    recasts: Vec<fn(&mut Span)>,
    logs: Vec<LogReader>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::compile);

/// The one registry.
pub(crate) fn registry() -> &'static Registry {
    &REGISTRY
}

impl Registry {
    fn compile() -> Self {
        let mut registry = Self {
            exact: Map::default(),
            prefixes: Map::default(),
            prefix_lengths: 0,
            events: Map::default(),
            scopes: Vec::new(),
            services: Map::default(),
            recasts: Vec::new(),
            logs: Vec::new(),
        };
        let mut number = 0;
        for (position, dialect) in ALL.iter().enumerate() {
            registry.add(dialect, position as u8, &mut number);
        }
        registry
    }

    fn add(&mut self, dialect: &'static Dialect, position: u8, number: &mut u16) {
        for rule in dialect.rules {
            let entry = Entry { rule, dialect: position, number: *number };
            *number += 1;
            let map = if rule.reach == Reach::Exact {
                &mut self.exact
            } else {
                self.prefix_lengths |= 1 << rule.key.len().min(127);
                &mut self.prefixes
            };
            map.entry(rule.key).or_default().entries.push(entry);
        }
        for event in dialect.events {
            self.events.entry(event.name).or_insert(event.read);
        }
        self.scopes.extend(dialect.scopes.iter().map(|scope| (*scope, position)));
        self.services.extend(dialect.services.iter().map(|service| (*service, position)));
        self.recasts.extend(dialect.recast);
        self.logs.extend(dialect.log);
    }

    /// Calls `found` with every rule for a key and with what follows the rule's prefix. Rules for the
    /// very key go first; when there are any, prefixes are not looked at.
    pub(crate) fn rules(&self, key: &str, mut found: impl FnMut(Entry, usize)) {
        if let Some(slot) = self.exact.get(key) {
            slot.entries.iter().for_each(|entry| found(*entry, key.len()));
            return;
        }
        for (at, _) in key.bytes().enumerate().filter(|(_, b)| matches!(b, b'.' | b':')) {
            let length = at + 1;
            if length > 127 {
                return;
            }
            if self.prefix_lengths & (1 << length) == 0 {
                continue;
            }
            let Some(slot) = key.get(..length).and_then(|prefix| self.prefixes.get(prefix)) else {
                continue;
            };
            let numbered = key.as_bytes().get(length).is_some_and(u8::is_ascii_digit);
            for entry in &slot.entries {
                if numbered || entry.rule.reach == Reach::Below {
                    found(*entry, length);
                }
            }
        }
    }

    /// How events of a name are read; `None` for names no dialect speaks of.
    pub(crate) fn event(&self, name: &str) -> Option<EventRead> {
        self.events.get(name).copied()
    }

    /// The dialects an instrumentation scope belongs to, as bits of their positions.
    pub(crate) fn of_scope(&self, scope: &str) -> u64 {
        self.scopes
            .iter()
            .filter(|(start, _)| scope.starts_with(start))
            .fold(0, |bits, (_, position)| bits | 1 << position)
    }

    /// The dialect of a resource that names a known service, as the bit of its position.
    pub(crate) fn of_resource(&self, resource: &Resource) -> u64 {
        let service = resource.attributes.get("service.name").and_then(Json::as_str);
        service.and_then(|name| self.services.get(name)).map_or(0, |position| 1 << position)
    }

    /// Lets every dialect change the identity of a span that was just decoded.
    pub(crate) fn recast(&self, span: &mut Span) {
        self.recasts.iter().for_each(|recast| recast(span));
    }

    /// The readers of log records that belong to no span.
    pub(crate) fn logs(&self) -> &[LogReader] {
        &self.logs
    }

    /// A dialect by its position.
    pub(crate) fn dialect(position: u8) -> Option<&'static Dialect> {
        ALL.get(usize::from(position)).copied()
    }
}

/// FNV-like hash over eight bytes at a time. The map holds only our own keys and never grows, so that
/// no client can choose collisions that matter.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut hash = self.0;
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(ODD);
        }
        let mut word = [0; 8];
        let rest = chunks.remainder();
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(ODD);
        self.0 = hash;
    }

    fn write_u8(&mut self, byte: u8) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(byte)).wrapping_mul(ODD);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_for_a_key_are_found_by_name_or_by_prefix() {
        let count = |key: &str| {
            let mut n = 0;
            registry().rules(key, |_, _| n += 1);
            n
        };
        assert!(count("gen_ai.request.model") > 0);
        assert!(count("llm.input_messages.10.message.role") > 0);
        assert_eq!(count("llm.input_messages.x"), 0);
        assert_eq!(count("my.own.key"), 0);
    }

    #[test]
    fn every_prefix_ends_where_a_key_is_cut_and_is_short_enough() {
        for dialect in ALL {
            for rule in dialect.rules {
                if rule.reach != Reach::Exact {
                    assert!(rule.key.ends_with(['.', ':']), "{}", rule.key);
                    assert!(rule.key.len() < 127, "{}", rule.key);
                }
            }
        }
        assert!(ALL.len() <= 64);
    }
}

//! Replacing what was found, everywhere it stands, before anything is stored.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use aho_corasick::{AhoCorasick, MatchKind};
use exhibit_model::{Flag, Json, JsonMap, Span};

use crate::{place::Place, policy::Mask};

/// What stands in the place of a text that could not be redacted.
const WITHHELD: &str = "[WITHHELD]";
/// Redacted values this long or longer are replaced wherever else they stand in the span; shorter ones
/// would hit words that have nothing to do with them. Names are replaced whatever their length.
const EVERYWHERE_BYTES_MIN: usize = 6;
/// What something is called whose name was taken out as a whole.
const NAMELESS: &str = "[REDACTED]";

/// One replacement to make.
pub(crate) struct Replacement {
    pub(crate) place: Place,
    /// Byte range in the text as it was received.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// What is put there.
    pub(crate) mask: String,
}

/// The text of a mask.
pub(crate) fn mask(kind: Mask, entity: &str, fingerprint: &str) -> String {
    match kind {
        Mask::Name => format!("[REDACTED:{entity}]"),
        Mask::Fingerprint => format!("[{entity}:{}]", fingerprint.get(..8).unwrap_or_default()),
        Mask::Token => {
            let digest = fingerprint.get(..16).unwrap_or_default();
            format!("tok_{}_{digest}", entity.to_ascii_lowercase())
        }
        Mask::Nothing => String::new(),
    }
}

/// Makes the replacements, then replaces the same values wherever else they stand in the span. A text in
/// which that fails is withheld as a whole.
pub(crate) fn apply(span: &mut Span, replacements: Vec<Replacement>) {
    let mut by_place: BTreeMap<Place, Vec<Replacement>> = BTreeMap::new();
    for replacement in replacements {
        by_place.entry(replacement.place.clone()).or_default().push(replacement);
    }
    let mut values: Vec<(String, String)> = Vec::new();
    let mut named: Vec<(String, String)> = Vec::new();
    let mut withheld = false;
    for (place, mut ranges) in by_place {
        if let Some(name) = place.name(span) {
            let value = |range: Replacement| {
                Some((name.get(range.start..range.end)?.to_owned(), range.mask))
            };
            named.extend(ranges.into_iter().filter_map(value));
            continue;
        }
        let Some(slot) = place.resolve(span) else { continue };
        let Some(text) = slot.text() else { continue };
        ranges.sort_by_key(|r| (r.start, std::cmp::Reverse(r.end)));
        for range in &ranges {
            if let Some(value) = text.get(range.start..range.end) {
                values.push((value.to_owned(), range.mask.clone()));
            }
        }
        if let Some(new) = replaced(&text, &ranges) {
            slot.set(new);
        } else {
            slot.set(WITHHELD.to_owned());
            withheld = true;
        }
    }
    values.retain(|(value, _)| value.len() >= EVERYWHERE_BYTES_MIN);
    values.extend(named);
    values.sort();
    values.dedup_by(|a, b| a.0 == b.0);
    if !values.is_empty() {
        everywhere(span, &values);
    }
    if withheld {
        span.flag(Flag::Withheld);
    }
}

/// The text with every range replaced; ranges that overlap become one. None when a range is not one of
/// this text.
fn replaced(text: &str, ranges: &[Replacement]) -> Option<String> {
    let plain = splice(text, ranges, |_, _, mask| mask.to_owned())?;
    // A number in JSON text becomes a text, else the whole could not be read again.
    let looks_like_json = text.trim_start().starts_with(['{', '[']);
    if looks_like_json && is_json(text) && !is_json(&plain) {
        let quoted = splice(text, ranges, |start, end, mask| {
            let before = text[..start].trim_end().chars().next_back();
            let after = text[end..].trim_start().chars().next();
            let bare =
                matches!(before, Some(':' | ',' | '[')) && matches!(after, Some(',' | ']' | '}'));
            if bare { format!("\"{mask}\"") } else { mask.to_owned() }
        })?;
        if is_json(&quoted) {
            return Some(quoted);
        }
    }
    Some(plain)
}

fn splice(
    text: &str,
    ranges: &[Replacement],
    mask: impl Fn(usize, usize, &str) -> String,
) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in ranges {
        if range.end <= at {
            continue;
        }
        text.get(range.start..range.end)?;
        if range.start >= at {
            out.push_str(text.get(at..range.start)?);
            out.push_str(&mask(range.start, range.end, &range.mask));
        }
        at = range.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Replaces values in every text of the span: raw attributes, events, links, the mapped fields, what all of
/// these are called, and where findings say they stand.
fn everywhere(span: &mut Span, values: &[(String, String)]) {
    let (texts, masks): (Vec<&str>, Vec<&str>) =
        values.iter().map(|(value, mask)| (value.as_str(), mask.as_str())).unzip();
    // Of values that begin together the longest, so that none is cut by one it contains.
    let all = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&texts);
    let Ok(all) = all else { return };
    let clean = |text: &mut String| {
        if all.is_match(text.as_str()) {
            *text = all.replace_all(text, &masks);
        }
    };
    let mut names = Names::of(span.attributes.iter().map(|a| &a.key), &clean);
    for attribute in &mut span.attributes {
        strings(&mut attribute.value, &clean);
        if let Some(names) = &mut names {
            attribute.key = names.keep(std::mem::take(&mut attribute.key));
        }
    }
    span.findings.iter_mut().for_each(|finding| clean(&mut finding.pointer));
    for event in &mut span.events {
        clean(&mut event.name);
        map(&mut event.attributes, &clean);
        event.body.iter_mut().for_each(|body| strings(body, &clean));
    }
    span.links.iter_mut().for_each(|link| map(&mut link.attributes, &clean));
    sender(span, &clean);
    map(&mut span.params, &clean);
    span.metadata.values_mut().for_each(clean);
    if let Some(mut names) = Names::of(span.metadata.keys(), &clean) {
        let held = std::mem::take(&mut span.metadata);
        span.metadata = held.into_iter().map(|(key, value)| (names.keep(key), value)).collect();
    }
    span.tags.iter_mut().for_each(clean);
    let fields = [
        &mut span.name,
        &mut span.kind_label,
        &mut span.status_message,
        &mut span.error_type,
        &mut span.model,
        &mut span.model_requested,
        &mut span.session,
        &mut span.user,
        &mut span.agent,
        &mut span.agent_id,
        &mut span.environment,
        &mut span.version,
        &mut span.service,
        &mut span.service_tier,
        &mut span.provider,
        &mut span.trace_name,
        &mut span.tool,
        &mut span.tool_call_id,
        &mut span.response_id,
    ];
    fields.into_iter().flatten().for_each(clean);
    span.finish_reasons.iter_mut().for_each(clean);
    if let Some(prompt) = &mut span.prompt {
        [&mut prompt.name, &mut prompt.version].into_iter().flatten().for_each(clean);
    }
}

/// Resource and scope, which a batch shares: copied only where something is replaced.
fn sender(span: &mut Span, clean: &impl Fn(&mut String)) {
    let mut resource = (*span.resource).clone();
    map(&mut resource.attributes, clean);
    if resource != *span.resource {
        span.resource = Arc::new(resource);
    }
    let mut scope = (*span.scope).clone();
    clean(&mut scope.name);
    clean(&mut scope.version);
    map(&mut scope.attributes, clean);
    if scope != *span.scope {
        span.scope = Arc::new(scope);
    }
}

fn map(map: &mut JsonMap, clean: &impl Fn(&mut String)) {
    rename(map, clean);
    map.values_mut().for_each(|value| strings(value, clean));
}

/// The names in one place, as they may be kept. No two become one, since values must not be lost.
struct Names<'c, C> {
    clean: &'c C,
    taken: HashSet<String>,
    /// The number to try next for a name that is taken: no number is tried twice.
    next: HashMap<String, usize>,
}

impl<'c, C: Fn(&mut String)> Names<'c, C> {
    /// None where nothing in the names is to be replaced.
    fn of<'n>(names: impl Iterator<Item = &'n String>, clean: &'c C) -> Option<Self> {
        let (mut taken, mut any) = (HashSet::new(), false);
        for name in names {
            match cleaned(name, clean) {
                Some(_) => any = true,
                None => drop(taken.insert(name.clone())),
            }
        }
        any.then(|| Self { clean, taken, next: HashMap::new() })
    }

    /// A name without what is to be replaced; where that is taken, with a number behind it.
    fn keep(&mut self, name: String) -> String {
        let Some(fresh) = cleaned(&name, self.clean) else { return name };
        let fresh = if fresh.is_empty() { NAMELESS.to_owned() } else { fresh };
        if self.taken.insert(fresh.clone()) {
            return fresh;
        }
        let next = self.next.entry(fresh.clone()).or_insert(2);
        loop {
            let numbered = format!("{fresh} {next}");
            *next += 1;
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

/// A name without what is to be replaced; none where it holds nothing of it.
fn cleaned(name: &str, clean: &impl Fn(&mut String)) -> Option<String> {
    let mut fresh = name.to_owned();
    clean(&mut fresh);
    (fresh != name).then_some(fresh)
}

/// Replaces values in the names of a map, which stays in order.
fn rename(map: &mut JsonMap, clean: &impl Fn(&mut String)) {
    let Some(mut names) = Names::of(map.keys(), clean) else { return };
    *map = std::mem::take(map).into_iter().map(|(key, value)| (names.keep(key), value)).collect();
}

/// Every text in a JSON value, without recursion: the value may be as deep as a client likes.
fn strings(value: &mut Json, clean: &impl Fn(&mut String)) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Json::String(text) => clean(text),
            Json::Array(items) => open.extend(items.iter_mut()),
            Json::Object(map) => {
                rename(map, clean);
                open.extend(map.values_mut());
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Root;

    fn range(start: usize, end: usize) -> Replacement {
        Replacement {
            place: Place { root: Root::Name, path: Vec::new() },
            start,
            end,
            mask: "[X]".into(),
        }
    }

    #[test]
    fn overlapping_ranges_become_one_and_the_rest_stays() {
        let text = "ab 1234 cd 5678";
        assert_eq!(replaced(text, &[range(3, 7), range(11, 15)]).unwrap(), "ab [X] cd [X]");
        assert_eq!(replaced(text, &[range(3, 7), range(5, 9)]).unwrap(), "ab [X]d 5678");
        assert_eq!(replaced("é", &[range(1, 2)]), None, "half a character");
    }

    #[test]
    fn json_text_stays_json() {
        let text = r#"{"card": 4111111111111111, "b": "x"}"#;
        assert_eq!(replaced(text, &[range(9, 25)]).unwrap(), r#"{"card": "[X]", "b": "x"}"#);
    }

    fn masked(text: &mut String) {
        *text = text.replace("jo@x.org", "[X]").replace("al@x.org", "[X]");
    }

    #[test]
    fn names_that_become_one_keep_all_their_values() {
        let names = ["to jo@x.org", "to [X]", "to al@x.org", "to [X] 2", "jo@x.org"];
        let mut map: JsonMap =
            names.iter().enumerate().map(|(n, name)| ((*name).to_owned(), n.into())).collect();
        rename(&mut map, &masked);
        let found: Vec<(&str, u64)> =
            map.iter().map(|(name, n)| (name.as_str(), n.as_u64().unwrap())).collect();
        let wanted = [("to [X] 3", 0), ("to [X]", 1), ("to [X] 4", 2), ("to [X] 2", 3), ("[X]", 4)];
        assert!(wanted.iter().all(|pair| found.contains(pair)), "{found:?}");
        assert_eq!(found.len(), names.len());
    }

    #[test]
    fn any_number_of_names_may_become_one() {
        // Each of these looked for its number from the first on would take minutes.
        let all = |text: &mut String| text.replace_range(.., "[X]");
        let mut map: JsonMap = (0..100_000).map(|n| (n.to_string(), n.into())).collect();
        rename(&mut map, &all);
        assert_eq!(map.len(), 100_000);
        assert!(map.contains_key("[X] 100000"));
    }
}

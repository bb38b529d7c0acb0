//! How far two answers are apart, 0 to 1: structured answers value by value, texts by their words, by the
//! angle of their vectors, or by what a judge says. What a model says is asked before anything is measured.

use std::collections::{BTreeSet, HashMap};

use exhibit_model::Json;
use serde::{Deserialize, Serialize};

use crate::replay::diff;

/// How texts are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// By their words.
    #[default]
    Words,
    /// By the angle of the vectors that this embedding model gives.
    Embedding(String),
    /// By how much their meanings differ in the words of this model, asked pair by pair.
    Judge(String),
}

impl Measure {
    /// The words for what was measured by, given the answers.
    pub(super) fn told<'a>(&self, answers: impl Iterator<Item = &'a String>) -> String {
        let (mut structured, mut plain) = (false, false);
        for answer in answers {
            let is = structure(answer).is_some();
            structured |= is;
            plain |= !is;
        }
        let texts = match self {
            Self::Words => "words".to_owned(),
            Self::Embedding(model) => format!("embedding by {model}"),
            Self::Judge(model) => format!("judge {model}"),
        };
        match (structured, plain) {
            (true, false) => "values".to_owned(),
            (true, true) => format!("{texts} and values"),
            _ => texts,
        }
    }
}

/// Distances of answers: those that a model has told, others by words.
#[derive(Debug, Default)]
pub struct Distances(HashMap<(String, String), f64>);

impl Distances {
    /// Notes what a model has told of two texts.
    pub(super) fn tell(&mut self, (a, b): (String, String), distance: f64) {
        self.0.insert((a, b), distance.clamp(0.0, 1.0));
    }

    /// How far two answers are apart.
    pub fn between(&self, a: &str, b: &str) -> f64 {
        if a == b {
            return 0.0;
        }
        if let (Some(a), Some(b)) = (structure(a), structure(b)) {
            let (mut same, mut all) = (0_usize, 0_usize);
            leaves(Some(&a), Some(&b), &mut same, &mut all, 32);
            return if all == 0 { 0.0 } else { 1.0 - same as f64 / all as f64 };
        }
        let told = self.0.get(&pair(a, b));
        told.copied().unwrap_or_else(|| 1.0 - diff::similarity(a, b))
    }
}

/// The pairs of texts between two lists of which a model must be asked.
pub(super) fn pairs<'a>(
    some: impl IntoIterator<Item = &'a String>,
    others: &[&'a String],
    into: &mut BTreeSet<(String, String)>,
) {
    for a in some {
        for b in others {
            let structured = structure(a).is_some() && structure(b).is_some();
            if a != *b && !structured {
                into.insert(pair(a, b));
            }
        }
    }
}

/// The angle between two vectors: 0 where they point the same way, 1 at a right angle or more.
pub(super) fn angle(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let lengths = (product(a, a) * product(b, b)).sqrt();
    if lengths > 0.0 { (1.0 - product(a, b) / lengths).clamp(0.0, 1.0) } else { 1.0 }
}

/// Two texts in one order, so that each pair is asked once.
fn pair(a: &str, b: &str) -> (String, String) {
    if a <= b { (a.to_owned(), b.to_owned()) } else { (b.to_owned(), a.to_owned()) }
}

fn structure(text: &str) -> Option<Json> {
    serde_json::from_str::<Json>(text).ok().filter(|v| v.is_object() || v.is_array())
}

fn leaves(a: Option<&Json>, b: Option<&Json>, same: &mut usize, all: &mut usize, depth: usize) {
    match (a, b) {
        (Some(Json::Object(a)), Some(Json::Object(b))) if depth > 0 => {
            for (name, value) in a {
                leaves(Some(value), b.get(name), same, all, depth - 1);
            }
            for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                let _ = name;
                leaves(None, Some(value), same, all, depth - 1);
            }
        }
        (Some(Json::Array(a)), Some(Json::Array(b))) if depth > 0 => {
            for at in 0..a.len().max(b.len()) {
                leaves(a.get(at), b.get(at), same, all, depth - 1);
            }
        }
        (a, b) => {
            *all += 1;
            *same += usize::from(a == b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_answers_are_compared_value_by_value() {
        let distance = |a: &str, b: &str| Distances::default().between(a, b);
        assert!(distance("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}") < 1e-9);
        assert!((distance("{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}") - 0.5).abs() < 1e-9);
        assert!((distance("{\"a\":1}", "{\"b\":1}") - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_a_model_told_of_a_pair_holds_in_both_orders_and_equal_texts_are_equal() {
        let mut distances = Distances::default();
        let (yes, aye) = ("yes".to_owned(), "aye".to_owned());
        let mut asked = BTreeSet::new();
        pairs([&yes, &aye], &[&yes, &aye], &mut asked);
        assert_eq!(asked.len(), 1);
        asked.into_iter().for_each(|pair| distances.tell(pair, 0.1));
        assert!((distances.between(&yes, &aye) - 0.1).abs() < 1e-9);
        assert!((distances.between(&aye, &yes) - 0.1).abs() < 1e-9);
        assert!(distances.between(&yes, &yes) < 1e-9);
        assert!(distances.between("yes", "no") > 0.9, "by words where nothing was told");
    }

    #[test]
    fn angles_are_between_none_and_one() {
        assert!(angle(&[1.0, 0.0], &[2.0, 0.0]) < 1e-9);
        assert!((angle(&[1.0, 0.0], &[0.0, 2.0]) - 1.0).abs() < 1e-9);
        assert!((angle(&[1.0], &[-1.0]) - 1.0).abs() < 1e-9);
        assert!((angle(&[0.0], &[1.0]) - 1.0).abs() < 1e-9);
    }
}

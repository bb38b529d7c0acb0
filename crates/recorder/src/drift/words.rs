//! Two collections of texts compared by the words they use.
//!
//! Each text becomes a vector of its words' frequencies (log-scaled, weighted by how rare the word is,
//! length 1); each collection is the mean of its vectors. The distance is 1 − cosine of the means. How
//! likely a distance as large is by chance is found by shuffling the texts between the collections.

use std::collections::{BTreeMap, HashMap};

/// Fewer texts than this on a side decide nothing.
const TEXTS_MIN: usize = 5;
/// Shuffles of the permutation test: p-values down to 1 in 200.
const SHUFFLES: usize = 199;
/// Larger chances are no evidence.
const ALPHA: f64 = 0.05;
/// Words that are named as new.
const NAMED: usize = 8;

/// A comparison of what was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptShift {
    /// The method's name.
    pub method: &'static str,
    /// Texts of the baseline.
    pub baseline_count: usize,
    /// Texts now.
    pub current_count: usize,
    /// 0: the same words; 1: no word in common.
    pub distance: Option<f64>,
    /// How likely a distance as large is by chance.
    pub p_value: Option<f64>,
    /// The distance that matters.
    pub threshold: f64,
    /// Words that weigh more than before, heaviest first.
    pub rising: Vec<String>,
    /// Beyond the threshold and not by chance. None: too few texts to say.
    pub drifted: Option<bool>,
}

impl PromptShift {
    /// Texts each side needs.
    pub const TEXTS_MIN: usize = TEXTS_MIN;
}

type Vector = BTreeMap<u32, f64>;

pub(super) fn compare(before: &[String], now: &[String], threshold: f64) -> PromptShift {
    let mut shift = PromptShift {
        method: "word-frequency-cosine",
        baseline_count: before.len(),
        current_count: now.len(),
        distance: None,
        p_value: None,
        threshold,
        rising: Vec::new(),
        drifted: None,
    };
    if before.len() < TEXTS_MIN || now.len() < TEXTS_MIN {
        return shift;
    }
    let mut names: HashMap<String, u32> = HashMap::new();
    let counted: Vec<BTreeMap<u32, u32>> =
        before.iter().chain(now).map(|text| count(text, &mut names)).collect();
    let vectors = weigh(&counted);
    let places: Vec<usize> = (0..vectors.len()).collect();
    let (old, new) = places.split_at(before.len());
    let means = (mean(&vectors, old), mean(&vectors, new));
    let distance = distance(&means.0, &means.1);
    let at_least = shuffled(&vectors, before.len(), distance);
    let p = (at_least + 1) as f64 / (SHUFFLES + 1) as f64;
    shift.distance = Some(distance);
    shift.p_value = Some(p);
    shift.drifted = Some(distance > threshold && p < ALPHA);
    shift.rising = rising(&means.0, &means.1, &names);
    shift
}

fn count(text: &str, names: &mut HashMap<String, u32>) -> BTreeMap<u32, u32> {
    let mut counts = BTreeMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let number = *names.entry(word.to_lowercase()).or_insert(next);
        *counts.entry(number).or_insert(0) += 1;
    }
    counts
}

fn weigh(counted: &[BTreeMap<u32, u32>]) -> Vec<Vector> {
    let mut texts_with: HashMap<u32, u32> = HashMap::new();
    for word in counted.iter().flat_map(BTreeMap::keys) {
        *texts_with.entry(*word).or_insert(0) += 1;
    }
    let all = counted.len() as f64;
    let weighed = counted.iter().map(|counts| {
        let mut vector: Vector = counts
            .iter()
            .map(|(word, n)| {
                let with = f64::from(texts_with.get(word).copied().unwrap_or(1));
                (*word, (1.0 + f64::from(*n).ln()) * ((1.0 + all) / (1.0 + with)).ln().max(0.1))
            })
            .collect();
        let length = norm(&vector);
        if length > 0.0 {
            vector.values_mut().for_each(|v| *v /= length);
        }
        vector
    });
    weighed.collect()
}

fn mean(vectors: &[Vector], places: &[usize]) -> Vector {
    let mut sum = Vector::new();
    for vector in places.iter().filter_map(|at| vectors.get(*at)) {
        for (word, weight) in vector {
            *sum.entry(*word).or_insert(0.0) += weight;
        }
    }
    let count = places.len().max(1) as f64;
    sum.values_mut().for_each(|v| *v /= count);
    sum
}

fn norm(vector: &Vector) -> f64 {
    vector.values().map(|v| v * v).sum::<f64>().sqrt()
}

fn distance(a: &Vector, b: &Vector) -> f64 {
    let dot: f64 = a.iter().filter_map(|(word, v)| Some(v * b.get(word)?)).sum();
    let lengths = norm(a) * norm(b);
    if lengths > 0.0 { (1.0 - dot / lengths).clamp(0.0, 1.0) } else { 0.0 }
}

/// In how many shuffles the distance is at least as large. The shuffles are the same every time.
fn shuffled(vectors: &[Vector], before: usize, observed: f64) -> usize {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move |bound: usize| {
        // SplitMix64 (public domain): good enough to shuffle with.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    };
    let mut places: Vec<usize> = (0..vectors.len()).collect();
    let mut at_least = 0;
    for _ in 0..SHUFFLES {
        for i in (1..places.len()).rev() {
            places.swap(i, next(i + 1));
        }
        let (a, b) = places.split_at(before);
        if distance(&mean(vectors, a), &mean(vectors, b)) >= observed - 1e-12 {
            at_least += 1;
        }
    }
    at_least
}

fn rising(before: &Vector, now: &Vector, names: &HashMap<String, u32>) -> Vec<String> {
    let mut gains: Vec<(f64, u32)> = now
        .iter()
        .map(|(word, v)| (v - before.get(word).copied().unwrap_or(0.0), *word))
        .filter(|(gain, _)| *gain > 0.01)
        .collect();
    gains.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let by_number: HashMap<u32, &String> = names.iter().map(|(name, n)| (*n, name)).collect();
    gains.iter().take(NAMED).filter_map(|(_, n)| by_number.get(n).map(|s| (*s).clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(topic: &[&str], texts: usize) -> Vec<String> {
        let word = |i: usize| topic[i % topic.len()];
        (0..texts)
            .map(|i| format!("please tell me about {} and {}", word(i), word(i + 1)))
            .collect()
    }

    #[test]
    fn another_topic_is_drift_and_the_same_is_none() {
        let flights = ["flights", "hotels", "trains", "visa"];
        let medicine = ["dosage", "allergy", "surgery", "symptoms"];
        let other = compare(&asked(&flights, 20), &asked(&medicine, 20), 0.05);
        assert_eq!(other.drifted, Some(true), "{other:?}");
        assert!(other.rising.iter().any(|w| w == "allergy"), "{other:?}");
        let same = compare(&asked(&flights, 20), &asked(&flights, 21), 0.05);
        assert_eq!(same.drifted, Some(false), "{same:?}");
    }

    #[test]
    fn few_texts_decide_nothing() {
        assert_eq!(compare(&asked(&["a"], 2), &asked(&["b"], 50), 0.05).drifted, None);
    }
}

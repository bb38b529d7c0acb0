//! How large an effect is, and how sure that is.

use super::distance::Distances;

/// Draws of the bootstrap: enough for two digits of a 95 % interval.
const DRAWS: usize = 1_000;

/// An effect with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The effect.
    pub effect: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Mean distance of the answers without a cause from the unchanged ones, less the mean distance of the
/// unchanged ones among themselves; the interval is a bootstrap over both.
pub fn measure(
    distances: &Distances,
    baseline: &[String],
    without: &[String],
    seed: u64,
) -> Measured {
    let row = |a: &String| baseline.iter().map(|b| distances.between(a, b)).collect();
    let across: Vec<Vec<f64>> = without.iter().map(row).collect();
    let within: Vec<Vec<f64>> = baseline.iter().map(row).collect();
    let all = |n: usize| (0..n).collect::<Vec<_>>();
    let effect = difference(&across, &within, &all(without.len()), &all(baseline.len()));
    let mut dice = Dice(seed | 1);
    let mut draws: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let a: Vec<usize> = without.iter().map(|_| dice.below(without.len())).collect();
            let b: Vec<usize> = baseline.iter().map(|_| dice.below(baseline.len())).collect();
            difference(&across, &within, &a, &b)
        })
        .collect();
    draws.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = ((draws.len() as f64 - 1.0) * share).round() as usize;
        draws.get(place).copied().unwrap_or(effect)
    };
    Measured { effect, low: at(0.025).min(effect), high: at(0.975).max(effect) }
}

fn difference(across: &[Vec<f64>], within: &[Vec<f64>], a: &[usize], b: &[usize]) -> f64 {
    let far: Vec<f64> = a.iter().flat_map(|i| b.iter().map(|j| across[*i][*j])).collect();
    // A draw may hold an answer twice; it says nothing about noise beside itself.
    let near: Vec<f64> =
        b.iter().flat_map(|i| b.iter().filter(move |j| *j != i).map(|j| within[*i][*j])).collect();
    mean(&far) - mean(&near)
}

/// How much answers differ among themselves.
pub fn noise(distances: &Distances, answers: &[String]) -> f64 {
    let mut all = Vec::new();
    for (at, a) in answers.iter().enumerate() {
        all.extend(answers.iter().skip(at + 1).map(|b| distances.between(a, b)));
    }
    mean(&all)
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Reproducible randomness (`SplitMix64`); nothing secret is drawn with it.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not zero.
    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % n.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_alone_is_no_effect_and_a_change_is() {
        let texts = |words: &[&str]| words.iter().map(|w| format!("the answer is {w}")).collect();
        let baseline: Vec<String> = texts(&["red", "blue", "red", "blue", "red"]);
        let same: Vec<String> = texts(&["blue", "red", "red", "blue", "blue"]);
        let other: Vec<String> = ["nobody knows"; 5].map(str::to_owned).to_vec();
        let by_words = Distances::default();
        let measure = |a: &[String], b: &[String], seed| measure(&by_words, a, b, seed);
        let none = measure(&baseline, &same, 1);
        assert!(none.low <= 0.0 && none.effect < 0.1, "{none:?}");
        let strong = measure(&baseline, &other, 1);
        assert!(strong.low > 0.3, "{strong:?}");
        assert_eq!(measure(&baseline, &other, 1), strong, "seeded");
    }
}

//! Two samples compared. Plain textbook tests, no state.

/// Fewer values than this on a side decide nothing: the normal approximation of U wants about eight.
const VALUES_MIN: usize = 8;
/// Smaller p-values are significant.
const ALPHA: f64 = 0.01;
/// Smaller relative shifts of a median do not matter, however significant.
const RELATIVE_MIN: f64 = 0.10;
/// Smaller shifts of a rate do not matter.
const RATE_MIN: f64 = 0.02;

/// A comparison of two samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Shift {
    /// The test's name.
    pub test: &'static str,
    /// Size of the baseline.
    pub baseline_count: usize,
    /// Size of the current sample.
    pub current_count: usize,
    /// Median, or rate, before.
    pub baseline: Option<f64>,
    /// Median, or rate, now.
    pub current: Option<f64>,
    /// The test's z.
    pub z: Option<f64>,
    /// Two-sided p-value.
    pub p_value: Option<f64>,
    /// Rank-biserial correlation (−1 to 1), or the difference of the rates.
    pub effect: Option<f64>,
    /// Significant and large enough to matter. None: too few values to say.
    pub drifted: Option<bool>,
}

impl Shift {
    /// The significance level in force.
    pub const ALPHA: f64 = ALPHA;
    /// Values each side needs.
    pub const VALUES_MIN: usize = VALUES_MIN;

    /// Relative change of the median or rate.
    pub fn change(&self) -> Option<f64> {
        let (before, now) = (self.baseline?, self.current?);
        (before != 0.0).then(|| (now - before) / before)
    }
}

/// Mann-Whitney U with correction for ties, by its normal approximation.
pub(super) fn mann_whitney(before: &[f64], now: &[f64]) -> Shift {
    let mut shift = Shift {
        test: "mann-whitney-u",
        baseline_count: before.len(),
        current_count: now.len(),
        baseline: median(before),
        current: median(now),
        z: None,
        p_value: None,
        effect: None,
        drifted: None,
    };
    if before.len() < VALUES_MIN || now.len() < VALUES_MIN {
        return shift;
    }
    let (n1, n2) = (before.len() as f64, now.len() as f64);
    let mut all: Vec<(f64, bool)> = before.iter().map(|v| (*v, false)).collect();
    all.extend(now.iter().map(|v| (*v, true)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Ranks; equal values share the mean of theirs.
    let (mut rank_sum_now, mut ties, mut at) = (0.0, 0.0, 0);
    while let Some((value, _)) = all.get(at) {
        let equal = all[at..].iter().take_while(|(v, _)| v.total_cmp(value).is_eq()).count();
        let shared = (at + 1) as f64 + (equal as f64 - 1.0) / 2.0;
        let of_now = all[at..at + equal].iter().filter(|(_, now)| *now).count();
        rank_sum_now += shared * of_now as f64;
        let t = equal as f64;
        ties += t * t * t - t;
        at += equal;
    }
    let u = rank_sum_now - n2 * (n2 + 1.0) / 2.0;
    let mean = n1 * n2 / 2.0;
    let n = n1 + n2;
    let variance = n1 * n2 / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
    let effect = 2.0 * u / (n1 * n2) - 1.0;
    shift.effect = Some(effect);
    if variance <= 0.0 {
        (shift.z, shift.p_value, shift.drifted) = (Some(0.0), Some(1.0), Some(false));
        return shift;
    }
    // Continuity correction towards the mean.
    let distance = ((u - mean).abs() - 0.5).max(0.0);
    let z = distance.copysign(u - mean) / variance.sqrt();
    let p = two_sided(z);
    let relative = shift.change().map_or(1.0, f64::abs);
    (shift.z, shift.p_value) = (Some(z), Some(p));
    shift.drifted = Some(p < ALPHA && relative >= RELATIVE_MIN);
    shift
}

/// Two-proportion z-test with the pooled rate; values are 0 or 1.
pub(super) fn proportions(before: &[f64], now: &[f64]) -> Shift {
    let rate = |values: &[f64]| {
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let mut shift = Shift {
        test: "two-proportion-z",
        baseline_count: before.len(),
        current_count: now.len(),
        baseline: rate(before),
        current: rate(now),
        z: None,
        p_value: None,
        effect: None,
        drifted: None,
    };
    let (Some(p1), Some(p2)) = (shift.baseline, shift.current) else { return shift };
    if before.len() < VALUES_MIN || now.len() < VALUES_MIN {
        return shift;
    }
    let (n1, n2) = (before.len() as f64, now.len() as f64);
    let pooled = (p1 * n1 + p2 * n2) / (n1 + n2);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
    let z = if deviation > 0.0 { (p2 - p1) / deviation } else { 0.0 };
    let p = two_sided(z);
    (shift.z, shift.p_value, shift.effect) = (Some(z), Some(p), Some(p2 - p1));
    shift.drifted = Some(p < ALPHA && (p2 - p1).abs() >= RATE_MIN);
    shift
}

fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 { Some(upper) } else { Some(f64::midpoint(sorted[middle - 1], upper)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_u_test_agrees_with_a_worked_example() {
        // scipy.stats.mannwhitneyu(now, before, method="asymptotic"): U = 62, p = 0.0019029
        let before = [1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let now = [6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0];
        let shift = mann_whitney(&before, &now);
        let p = shift.p_value.unwrap();
        assert!((p - 0.001_902_9).abs() < 1e-6, "{p}");
        assert_eq!((shift.baseline, shift.current), (Some(3.5), Some(9.5)));
        assert_eq!(shift.drifted, Some(true));
    }

    #[test]
    fn equal_samples_do_not_drift_and_few_values_decide_nothing() {
        let same = [5.0; 20];
        assert_eq!(mann_whitney(&same, &same).drifted, Some(false));
        assert_eq!(mann_whitney(&[1.0; 3], &[9.0; 50]).drifted, None);
        assert_eq!(proportions(&[], &[1.0; 50]).drifted, None);
    }

    #[test]
    fn a_rate_that_rises_drifts() {
        let rate = |failed: usize, of: usize| -> Vec<f64> {
            (0..of).map(|i| f64::from(u8::from(i < failed))).collect()
        };
        let shift = proportions(&rate(2, 100), &rate(20, 100));
        assert!((shift.z.unwrap() - 4.068).abs() < 0.01, "{shift:?}");
        assert_eq!(shift.drifted, Some(true));
        assert_eq!(proportions(&rate(2, 100), &rate(3, 100)).drifted, Some(false));
    }
}

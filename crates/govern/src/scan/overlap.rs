//! Overlaps: one stretch of text is one thing.

use std::collections::BTreeMap;

use exhibit_model::FindingCategory;

use super::Hit;
use crate::detector::Detector;

/// Keeps of overlapping hits of one category the surest, then the longest, then the earlier detector;
/// drops personal data inside a credential, where digits mean nothing. Leaves hits in order.
/// With `by_entity` what overlaps is compared within its own entity only, so that digits which pass the
/// checks of two countries are named for both.
pub(super) fn resolve(hits: &mut Vec<Hit>, detectors: &[Detector], by_entity: bool) {
    let category = |hit: &Hit| detectors[hit.detector].category;
    hits.sort_by(|a, b| {
        let rank = |hit: &Hit| (hit.validated, hit.score_milli, hit.end - hit.start);
        rank(b).cmp(&rank(a)).then(a.detector.cmp(&b.detector)).then(a.start.cmp(&b.start))
    });
    let mut kept: BTreeMap<Kind<'_>, BTreeMap<usize, usize>> = BTreeMap::new();
    let kind = |hit: &Hit| {
        let detector = &detectors[hit.detector];
        let apart = by_entity && detector.category == FindingCategory::Pii;
        (key(detector.category), if apart { detector.entity.as_str() } else { "" })
    };
    let overlaps = |taken: Option<&BTreeMap<usize, usize>>, hit: &Hit| {
        taken.is_some_and(|taken| {
            let before = taken.range(..hit.end).next_back();
            before.is_some_and(|(_, end)| *end > hit.start)
        })
    };
    hits.retain(|hit| {
        let taken = kept.entry(kind(hit)).or_default();
        let free = !overlaps(Some(taken), hit);
        if free {
            taken.insert(hit.start, hit.end);
        }
        free
    });
    let secrets = kept.remove(&(key(FindingCategory::Secret), ""));
    hits.retain(|hit| category(hit) != FindingCategory::Pii || !overlaps(secrets.as_ref(), hit));
    hits.sort_by_key(|hit| (hit.start, hit.end, hit.detector));
}

/// Category, and the entity where that matters.
type Kind<'a> = (i64, &'a str);

fn key(category: FindingCategory) -> i64 {
    category.code()
}

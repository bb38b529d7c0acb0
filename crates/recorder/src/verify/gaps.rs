//! Gaps around one trace: numbered records of its clients that never arrived and may have been its own.
//!
//! A number says nothing about the trace of the record that bore it. What is missing between two numbers of
//! a trace, or next to one, is named; what else its clients lost stands in the workspace's list.

use std::collections::BTreeMap;

use exhibit_model::{Span, WorkspaceId};
use serde::Serialize;

use crate::{Error, Recorder, gap::Gap};

/// What the verdict says where there are some.
pub(super) const QUALIFIER: &str = "gaps";

/// Numbers of a source that never arrived, around those that a trace has of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceGap {
    /// The source, as the client names it.
    pub source: String,
    /// The trace's first and last number of it.
    pub between: (u64, u64),
    /// Which never arrived, both ends included.
    pub missing: Vec<(u64, u64)>,
    /// Indexes of the log's entries that say so.
    pub leaves: Vec<u64>,
}

/// First and last number of each source in a trace.
#[derive(Default)]
pub(super) struct Numbers(BTreeMap<String, (u64, u64)>);

impl Numbers {
    pub(super) fn note(&mut self, span: &Span) {
        let Some((source, number)) = exhibit_capture::numbered(span) else { return };
        let range = self.0.entry(source.to_owned()).or_insert((number, number));
        *range = (range.0.min(number), range.1.max(number));
    }
}

impl Recorder {
    /// The gaps that concern a trace with these numbers.
    pub(super) async fn gaps_around(
        &self,
        workspace: WorkspaceId,
        numbers: &Numbers,
    ) -> Result<Vec<TraceGap>, Error> {
        if numbers.0.is_empty() {
            return Ok(Vec::new());
        }
        Ok(around(self.gaps(workspace).await?, numbers))
    }
}

fn around(gaps: Vec<Gap>, numbers: &Numbers) -> Vec<TraceGap> {
    let concerning = gaps.into_iter().filter_map(|gap| {
        let between = *numbers.0.get(&gap.source)?;
        let near = |(from, to): &(u64, u64)| {
            *to >= between.0.saturating_sub(1) && *from <= between.1.saturating_add(1)
        };
        let missing: Vec<_> = gap.missing.into_iter().filter(near).collect();
        let Gap { source, leaves, .. } = gap;
        (!missing.is_empty()).then_some(TraceGap { source, between, missing, leaves })
    });
    concerning.collect()
}

#[cfg(test)]
mod tests {
    use exhibit_model::Nanos;

    use super::*;

    #[test]
    fn only_what_is_missing_between_or_next_to_its_numbers_concerns_a_trace() {
        let gap = |source: &str, missing| Gap {
            source: source.to_owned(),
            missing_count: 0,
            missing,
            leaves: vec![9],
            since: Nanos(0),
        };
        let gaps = vec![
            gap("a", vec![(1, 2), (4, 4), (6, 7), (11, 11), (13, 20)]),
            gap("b", vec![(5, 5)]),
        ];
        let numbers = Numbers(BTreeMap::from([("a".to_owned(), (5, 10))]));
        let found = around(gaps, &numbers);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].missing, [(4, 4), (6, 7), (11, 11)]);
        assert_eq!((found[0].between, &*found[0].leaves), ((5, 10), &[9][..]));
    }
}

//! Which events of a coding agent's session never arrived: its events are numbered, so a missing
//! number is a lost event.

use std::collections::BTreeSet;

use exhibit_capture::dialect;
use exhibit_model::WorkspaceId;
use exhibit_store::Order;

use crate::{Error, Recorder};

/// Traces of one session that are looked at.
const TRACES_MAX: usize = 500;

/// The numbers of a session's events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sequence {
    /// How many events with a number there are.
    pub seen: u64,
    /// The smallest number.
    pub first: Option<u64>,
    /// The largest number.
    pub last: Option<u64>,
    /// Ranges of numbers between them that nobody sent, first to last.
    pub missing: Vec<(u64, u64)>,
}

impl Sequence {
    fn of(numbers: &BTreeSet<u64>) -> Self {
        let pairs = numbers.iter().zip(numbers.iter().skip(1));
        Self {
            seen: numbers.len() as u64,
            first: numbers.first().copied(),
            last: numbers.last().copied(),
            missing: pairs.filter(|(a, b)| **b > **a + 1).map(|(a, b)| (a + 1, b - 1)).collect(),
        }
    }
}

impl Recorder {
    /// The numbers of a session's events, and which are missing.
    pub async fn session_sequence(
        &self,
        workspace: WorkspaceId,
        session: &str,
    ) -> Result<Sequence, Error> {
        let quoted = session.replace('\\', "\\\\").replace('"', "\\\"");
        let filter = format!("session = \"{quoted}\"");
        let mut numbers = BTreeSet::new();
        let page = self.traces(workspace, &filter, Order::Newest, None, TRACES_MAX).await?;
        for row in page.rows {
            let id = &row.summary.trace_id;
            let most = self.limits.window_spans_max;
            let found = self.trace_with_spans(workspace, id, most).await?;
            let spans = found.into_iter().flat_map(|(_, spans)| spans);
            numbers.extend(spans.filter_map(|detail| dialect::sequence(&detail.span)));
        }
        Ok(Sequence::of(&numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_numbers_are_named_as_ranges() {
        let sequence = Sequence::of(&[3, 4, 7, 9, 10].into());
        assert_eq!((sequence.first, sequence.last, sequence.seen), (Some(3), Some(10), 5));
        assert_eq!(sequence.missing, [(5, 6), (8, 8)]);
        assert_eq!(Sequence::of(&BTreeSet::new()), Sequence::default());
    }
}

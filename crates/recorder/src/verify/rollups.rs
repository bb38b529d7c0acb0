//! Rollups: every sum that analytics show, added up again from the records.

use std::collections::BTreeMap;

use exhibit_model::{SpanHead, SpanId, WorkspaceId};
use exhibit_store::rollup::{Accumulator, Cell, Inherited, attribution::Lineages};

use super::{Fault, Verdict, all::Report};
use crate::{Error, Recorder};

/// Cells read at once.
const PAGE: usize = 4_096;

/// Adds a trace's spans, each with whether its usage counts. `first` is the span that was sealed
/// first: the trace counts where it stands. `user` is the trace's.
pub(super) fn add(
    sums: &mut Accumulator,
    heads: &[(SpanHead, bool)],
    first: Option<&SpanId>,
    user: Option<&str>,
) {
    let lineages = Lineages::of(heads.iter().map(|(head, _)| head));
    for (head, counted) in heads {
        let inherited = Inherited { agent: lineages.agent(head), user };
        sums.add(head, *counted, first == Some(&head.span_id), inherited);
    }
}

impl Recorder {
    /// Compares every cell with what the records add up to.
    pub(super) async fn check_rollups(
        &self,
        workspace: WorkspaceId,
        derived: Accumulator,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut derived: BTreeMap<_, _> = derived.into_cells().into_iter().collect();
        derived.retain(|_, cell| !cell.is_zero());
        let mut after = None;
        loop {
            let page = self.store.audit_rollups(workspace, after, PAGE).await?;
            for (key, cell) in page.rows {
                let expected: Cell = derived.remove(&key).unwrap_or_default();
                if expected != cell {
                    let what = "a sum in the analytics is not what the records add up to";
                    report.fault(Fault::new(Verdict::Altered, what));
                }
            }
            if page.next.is_none() {
                break;
            }
            after = page.next;
        }
        if !derived.is_empty() {
            report.fault(Fault::new(Verdict::Missing, "sums of the analytics are not there"));
        }
        Ok(())
    }
}

//! How far a sink came: kept with the traces, and shown.

use exhibit_model::{Nanos, WorkspaceId};
use exhibit_store::{Gauge, LogId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{Error, Recorder};

/// Longest problem that is kept, characters.
const PROBLEM_CHARS: usize = 300;

/// How far a sink came, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Mark {
    /// Everything before this index of the log is over there.
    pub(super) next: u64,
    /// At this time nothing was missing.
    pub(super) complete: Option<Nanos>,
    /// Documents written, rewritten ones included.
    pub(super) written: u64,
    /// Documents refused for good.
    pub(super) refused: u64,
    /// Erased traces, whether or not a document of them was there.
    pub(super) removed: u64,
    /// What is wrong, and since when; none while all is well.
    pub(super) problem: Option<(Nanos, String)>,
}

impl Mark {
    pub(super) fn failed(&mut self, now: Nanos, problem: &str) {
        let problem: String = problem.chars().take(PROBLEM_CHARS).collect();
        let since = self.problem.as_ref().map_or(now, |(since, _)| *since);
        self.problem = Some((since, problem));
    }
}

/// How a sink stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SinkStanding {
    /// Where it leads.
    pub place: String,
    /// Entries of the workspace's log that it has not looked at.
    pub behind: u64,
    /// When nothing was missing for the last time; none: never yet.
    pub complete: Option<Nanos>,
    /// Documents written since the place was first used, rewritten ones included.
    pub written: u64,
    /// Documents that the place refused for good.
    pub refused: u64,
    /// Erased traces whose documents were removed.
    pub removed: u64,
    /// Since when nothing can be written, and why.
    pub problem: Option<(Nanos, String)>,
}

/// What the recorder holds about its sink.
#[derive(Default)]
pub(crate) struct Feed(Mutex<Option<SinkStanding>>);

impl Feed {
    pub(super) fn show(&self, standing: SinkStanding) {
        *self.0.lock() = Some(standing);
    }

    /// Its numbers for operators; none where there is no sink.
    pub(crate) fn gauges(&self, started: Nanos, now: Nanos) -> Vec<Gauge> {
        let Some(standing) = self.0.lock().clone() else { return Vec::new() };
        let gauge = |name, help, value| Gauge { name, help, value };
        let since = standing.complete.unwrap_or(started);
        let lag = if standing.behind == 0 { 0 } else { now.0.saturating_sub(since.0).max(0) };
        let failing = f64::from(u8::from(standing.problem.is_some()));
        vec![
            gauge("sink_lag_seconds", "Since when the sink lacks something.", lag as f64 / 1e9),
            gauge(
                "sink_behind_entries",
                "Entries of the log that the sink has not looked at.",
                standing.behind as f64,
            ),
            gauge("sink_failing", "Whether the sink's place takes nothing at present.", failing),
            gauge("sink_written", "Documents written to the sink.", standing.written as f64),
            gauge("sink_refused", "Documents the sink refused for good.", standing.refused as f64),
            gauge("sink_removed", "Erased traces removed from the sink.", standing.removed as f64),
        ]
    }
}

impl Recorder {
    /// How the sink at a place stands; none where nothing went there yet.
    pub async fn sink_standing(
        &self,
        workspace: WorkspaceId,
        place: &str,
    ) -> Result<Option<SinkStanding>, Error> {
        let held = self.store.setting(&self.sink_setting(workspace, place)).await?;
        let Some(held) = held else { return Ok(None) };
        let mark: Mark = serde_json::from_slice(&held).unwrap_or_default();
        let size = self.store.head(LogId::Workspace(workspace)).await?.size;
        Ok(Some(standing(&mark, place, size)))
    }

    /// The setting that holds a sink's mark: another place has another.
    pub(super) fn sink_setting(&self, workspace: WorkspaceId, place: &str) -> String {
        let mut digest = self.keyed_digest("sink", place);
        digest.truncate(32);
        format!("sink.{}.{digest}", workspace.0)
    }
}

pub(super) fn standing(mark: &Mark, place: &str, size: u64) -> SinkStanding {
    SinkStanding {
        place: place.to_owned(),
        behind: size.saturating_sub(mark.next),
        complete: mark.complete,
        written: mark.written,
        refused: mark.refused,
        removed: mark.removed,
        problem: mark.problem.clone(),
    }
}

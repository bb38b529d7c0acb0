//! Gaps: client sequence numbers that never arrived.
//!
//! A client that numbers its finished records (fields `source` and `sequence`, as our SDKs send them) lets
//! the recorder notice what got lost on the way. A number that is passed over and does not come within
//! [`gap_after_ms`](exhibit_model::Limits::gap_after_ms) becomes an entry of the workspace's log; if it
//! comes after all, another entry says so. Both are acts, so what the API shows of gaps is read from what
//! is sealed.
//!
//! Nothing is said of what came before the recorder listened: after a crash, counting of every source
//! starts anew with the next number that it sends. After an orderly stop it goes on where it was.

mod series;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use exhibit_capture::{Decoded, numbered};
use exhibit_model::{Nanos, WorkspaceId};
use exhibit_store::LogId;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{Error, Recorder, account::act::Act};
use series::{Range, Series, less};

/// How often is looked for what has waited too long.
const TICK: Duration = Duration::from_secs(1);
/// Sources that are followed at once; the ones that were heard least lately give way.
const SOURCES_MAX: usize = 4_096;
/// Longest name of a source that is followed, bytes.
const SOURCE_BYTES_MAX: usize = 128;
/// Sources of one entry of the log.
const SOURCES_PER_ACT: usize = 100;
/// How the body of an act about gaps begins.
const ACT: &[u8] = b"{\"act\":\"gap_";
/// Acts read at once.
const PAGE: usize = 1_024;
/// The setting that keeps the series over an orderly stop.
const SETTING: &str = "gaps.series";

type Name = (WorkspaceId, String);

/// The numbers of every source.
#[derive(Debug, Default)]
pub(crate) struct Gaps(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// With the turn in which a number last came.
    series: HashMap<Name, (u64, Series)>,
    turn: u64,
    /// What is to be entered into the logs, the oldest first.
    untold: VecDeque<(WorkspaceId, Told)>,
    /// Every source is known from its first number on.
    whole: bool,
    /// Others take part of what clients send: nothing can be told from what comes here.
    off: bool,
}

/// What an entry of a log says.
#[derive(Debug)]
enum Told {
    Missing(Vec<GapOfSource>),
    Filled(Vec<GapOfSource>),
}

/// Numbers of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapOfSource {
    /// The source, as the client names it.
    pub source: String,
    /// Ranges of numbers, both ends included.
    pub numbers: Vec<Range>,
}

/// A source with numbers that never arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The source, as the client names it.
    pub source: String,
    /// How many numbers are missing.
    pub missing_count: u64,
    /// Which, both ends included.
    pub missing: Vec<Range>,
    /// Indexes of the log's entries that say so.
    pub leaves: Vec<u64>,
    /// When it was first said.
    pub since: Nanos,
}

/// What is kept over a stop.
#[derive(Serialize, Deserialize)]
struct Kept {
    workspace: i64,
    source: String,
    series: Series,
}

impl Gaps {
    /// Others take part of what clients send.
    pub(crate) fn stop(&self) {
        let mut state = self.0.lock();
        state.off = true;
        state.whole = false;
        state.series.clear();
    }

    /// Numbers came, of records that are durable.
    fn came(&self, workspace: WorkspaceId, numbers: Vec<(String, u64)>, now: i64) {
        let mut state = self.0.lock();
        if state.off {
            return;
        }
        state.turn += 1;
        let (turn, whole) = (state.turn, state.whole);
        for (source, number) in numbers {
            let begin = || Series::new(if whole { 0 } else { number.saturating_sub(1) });
            let entry = state.series.entry((workspace, source));
            let (last, series) = entry.or_insert_with(|| (turn, begin()));
            *last = turn;
            series.came(number, now);
        }
        if state.series.len() > SOURCES_MAX {
            // A tenth at once, so that this is rare. Who comes back is counted anew.
            let mut turns: Vec<u64> = state.series.values().map(|(turn, _)| *turn).collect();
            turns.sort_unstable();
            let bound = turns[turns.len() / 10];
            state.series.retain(|_, (turn, _)| *turn > bound);
            state.whole = false;
        }
    }

    /// Makes entries of what has waited too long and of what came after all.
    fn collect_due(&self, before: i64) {
        let mut found: BTreeMap<WorkspaceId, (Vec<_>, Vec<_>)> = BTreeMap::new();
        let mut state = self.0.lock();
        for ((workspace, source), (_, series)) in &mut state.series {
            if series.is_whole() {
                continue;
            }
            let (missing, filled) = series.due(before);
            let entry = |numbers| GapOfSource { source: source.clone(), numbers };
            if !missing.is_empty() {
                found.entry(*workspace).or_default().0.push(entry(missing));
            }
            if !filled.is_empty() {
                found.entry(*workspace).or_default().1.push(entry(filled));
            }
        }
        for (workspace, (missing, filled)) in found {
            let parts = |all: Vec<GapOfSource>| {
                all.chunks(SOURCES_PER_ACT).map(<[_]>::to_vec).collect::<Vec<_>>()
            };
            let entries = parts(missing).into_iter().map(Told::Missing);
            let entries = entries.chain(parts(filled).into_iter().map(Told::Filled));
            state.untold.extend(entries.map(|told| (workspace, told)));
        }
    }

    fn next_untold(&self) -> Option<(WorkspaceId, Told)> {
        self.0.lock().untold.pop_front()
    }

    /// Takes back what could not be entered, to be tried again.
    fn put_back(&self, workspace: WorkspaceId, told: Told) {
        self.0.lock().untold.push_front((workspace, told));
    }
}

/// The numbers in a request, of what was refused too: that has its own place to be seen.
pub(crate) fn numbers(decoded: &Decoded) -> Vec<(String, u64)> {
    let kept = |source: &str| !source.is_empty() && source.len() <= SOURCE_BYTES_MAX;
    let spans = decoded.spans.iter().filter_map(numbered).map(|(s, n)| (s.to_owned(), n));
    let refused = decoded.rejected.iter().filter_map(|one| {
        let body = one.body.as_ref()?;
        Some((body.get("source")?.as_str()?.to_owned(), body.get("sequence")?.as_u64()?))
    });
    spans.chain(refused).filter(|(source, number)| kept(source) && *number > 0).collect()
}

impl Recorder {
    /// Notes numbers of records that are durable.
    pub(crate) fn note_numbers(&self, workspace: WorkspaceId, numbers: Vec<(String, u64)>) {
        if !numbers.is_empty() {
            self.gaps.came(workspace, numbers, self.now().0);
        }
    }

    pub(crate) async fn run_gaps(self: &Arc<Self>) {
        loop {
            tokio::time::sleep(TICK).await;
            if let Err(error) = self.tell_gaps().await {
                tracing::warn!(%error, "gaps could not be entered into the log");
            }
        }
    }

    /// Enters what is due into the logs.
    pub async fn tell_gaps(&self) -> Result<(), Error> {
        let wait = i64::try_from(self.limits.gap_after_ms).unwrap_or(i64::MAX);
        let before = self.now().0.saturating_sub(wait.saturating_mul(1_000_000));
        self.gaps.collect_due(before);
        while let Some((workspace, told)) = self.gaps.next_untold() {
            let at = self.now();
            let act = match &told {
                Told::Missing(gaps) => {
                    tracing::warn!(
                        sources = gaps.len(),
                        "records that clients numbered never arrived"
                    );
                    Act::GapFound { gaps: gaps.clone(), at }
                }
                Told::Filled(gaps) => Act::GapFilled { gaps: gaps.clone(), at },
            };
            if let Err(error) = self.keep_act(workspace, &act).await {
                self.gaps.put_back(workspace, told);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sources of a workspace with numbers that never arrived, as its log says.
    pub async fn gaps(&self, workspace: WorkspaceId) -> Result<Vec<Gap>, Error> {
        let mut found: BTreeMap<String, Gap> = BTreeMap::new();
        let mut from = 0;
        loop {
            let page = self.store.audit_acts(workspace, from, PAGE).await?;
            let Some(last) = page.last() else { break };
            from = last.index + 1;
            for stored in page.iter().filter(|act| act.body.starts_with(ACT)) {
                match serde_json::from_slice(&stored.body) {
                    Ok(Act::GapFound { gaps, at }) => {
                        for one in gaps {
                            let gap = found.entry(one.source.clone()).or_insert_with(|| Gap {
                                source: one.source,
                                missing_count: 0,
                                missing: Vec::new(),
                                leaves: Vec::new(),
                                since: at,
                            });
                            gap.missing.extend(one.numbers);
                            gap.leaves.push(stored.index);
                        }
                    }
                    Ok(Act::GapFilled { gaps, .. }) => {
                        for one in gaps {
                            let Some(gap) = found.get_mut(&one.source) else { continue };
                            gap.missing = less(std::mem::take(&mut gap.missing), &one.numbers);
                            gap.leaves.push(stored.index);
                        }
                    }
                    _ => {}
                }
            }
        }
        let mut gaps: Vec<Gap> =
            found.into_values().filter(|gap| !gap.missing.is_empty()).collect();
        for gap in &mut gaps {
            gap.missing.sort_unstable();
            let counts = gap.missing.iter().map(|(from, to)| (to - from).saturating_add(1));
            gap.missing_count = counts.fold(0, u64::saturating_add);
        }
        Ok(gaps)
    }

    /// Takes up the series where an orderly stop has left them. What is kept is taken away, so that a
    /// crash later does not bring it back.
    pub(crate) async fn load_gaps(&self) {
        match self.take_kept().await {
            Ok((list, whole)) => {
                let mut state = self.gaps.0.lock();
                state.whole = whole;
                for Kept { workspace, source, series } in list {
                    state.series.insert((WorkspaceId(workspace), source), (0, series));
                }
            }
            Err(error) => tracing::warn!(%error, "sequence numbers are counted anew"),
        }
    }

    /// What was kept, and whether every source is known from its first number on: after an orderly stop,
    /// or because there was none before.
    async fn take_kept(&self) -> Result<(Vec<Kept>, bool), Error> {
        let Some(bytes) = self.store.setting(SETTING).await? else {
            let lived = self.store.checkpoint(LogId::Installation).await?.is_some();
            return Ok((Vec::new(), !lived));
        };
        let taken = self.store.swap_setting(SETTING, Some(&bytes), None).await?;
        let list = serde_json::from_slice(&bytes).ok().filter(|_| taken);
        let whole = list.is_some();
        Ok((list.unwrap_or_default(), whole))
    }

    /// Keeps the series over an orderly stop.
    pub(crate) async fn save_gaps(&self) {
        let list: Vec<Kept> = {
            let state = self.gaps.0.lock();
            if !state.whole {
                return;
            }
            let kept = |((workspace, source), (_, series)): (&Name, &(u64, Series))| Kept {
                workspace: workspace.0,
                source: source.clone(),
                series: series.clone(),
            };
            state.series.iter().map(kept).collect()
        };
        let Ok(bytes) = serde_json::to_vec(&list) else { return };
        if let Err(error) = self.store.swap_setting(SETTING, None, Some(&bytes)).await {
            tracing::warn!(%error, "sequence numbers are counted anew after the next start");
        }
    }
}

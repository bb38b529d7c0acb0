//! What has been spent, per budget and key.
//!
//! Kept in memory in buckets of a sixtieth of the window, written down every few seconds and at the stop, so
//! that a crash forgets seconds, not days. `decide` reserves; the span that follows settles.
//!
//! Nodes on one store add what they spent to what all have spent, once a second: together they go beyond a
//! limit by what they spend within that time.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use exhibit_govern::{Charge, ListedBudget, Mode, Spending, Spent, Window};
use exhibit_model::{Nanos, WorkspaceId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{Error, Recorder};

/// Keys followed at most; beyond that the quietest are forgotten.
const KEYS_MAX: usize = 100_000;
/// How long a reservation waits for its span, nanoseconds.
const RESERVED_NS: i64 = 600_000_000_000;
/// How often what was spent is written down.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// How often nodes tell each other.
const SHARE_EVERY: Duration = Duration::from_secs(1);
/// How often a node tries again when others wrote at the same moment.
const SHARE_TRIES: usize = 8;
/// The named value it is written to.
const SETTING: &str = "budgets";

type Key = (i64, String, String);

/// What was spent under one key.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Track {
    /// Start of the bucket, nano-USD, tokens; oldest first.
    buckets: VecDeque<(i64, i64, u64)>,
    /// What calls that were allowed may still cost: until when, nano-USD, tokens.
    #[serde(default)]
    reserved: VecDeque<(i64, i64, u64)>,
    /// Buckets that start before it count for nothing any more.
    #[serde(default)]
    begin: i64,
    /// Reservations that were settled and do not stand above: in what one node adds, those of all.
    #[serde(default, skip_serializing)]
    settled: usize,
}

fn bucket_ns(window: Window) -> i64 {
    match window {
        Window::Sliding(length) => (length / 60).max(1),
        Window::Hour => 60_000_000_000,
        Window::Day | Window::Week | Window::Month => 3_600_000_000_000,
    }
}

impl Track {
    fn spent(&self, window: Window, now: Nanos) -> Spent {
        let begin = window.begin(now).0;
        let recent = self.buckets.iter().filter(|(start, _, _)| *start >= begin);
        let held = self.reserved.iter().filter(|(until, _, _)| *until > now.0);
        recent.chain(held).fold(Spent::default(), |sum, (_, nano, tokens)| {
            sum.plus(Spent { nano_usd: *nano, tokens: *tokens })
        })
    }

    fn settle(&mut self, charge: &Charge, now: Nanos) {
        self.reserved.retain(|(until, _, _)| *until > now.0);
        if self.reserved.pop_front().is_none() {
            self.settled += 1;
        }
        let length = bucket_ns(charge.window);
        let Spent { nano_usd, tokens } = charge.amount;
        self.begin = self.begin.max(charge.window.begin(now).0 - length);
        self.spend(now.0.div_euclid(length) * length, nano_usd, tokens);
    }

    fn reserve(&mut self, charge: &Charge, now: Nanos) {
        let until = now.0.saturating_add(RESERVED_NS);
        self.reserved.retain(|(until, _, _)| *until > now.0);
        self.reserved.push_back((until, charge.amount.nano_usd, charge.amount.tokens));
    }

    /// Adds to the bucket that starts at `start`.
    fn spend(&mut self, start: i64, nano_usd: i64, tokens: u64) {
        while self.buckets.front().is_some_and(|(start, _, _)| *start < self.begin) {
            self.buckets.pop_front();
        }
        let at = self.buckets.partition_point(|(other, _, _)| *other < start);
        match self.buckets.get_mut(at) {
            Some((other, nano, held)) if *other == start => {
                *nano = nano.saturating_add(nano_usd);
                *held = held.saturating_add(tokens);
            }
            _ => self.buckets.insert(at, (start, nano_usd, tokens)),
        }
    }

    /// Adds what a node has spent since.
    fn add(&mut self, more: &Self) {
        let here = more.settled.min(self.reserved.len());
        self.reserved.drain(..here);
        self.settled += more.settled - here;
        self.reserved.extend(&more.reserved);
        self.begin = self.begin.max(more.begin);
        for (start, nano_usd, tokens) in &more.buckets {
            self.spend(*start, *nano_usd, *tokens);
        }
    }
}

type Tracks = HashMap<Key, Track>;

fn add_all(tracks: &mut Tracks, more: &Tracks) {
    for (key, track) in more {
        make_room(tracks, key);
        tracks.entry(key.clone()).or_default().add(track);
    }
}

/// All tracks of the installation.
#[derive(Default)]
pub(crate) struct Budgets {
    known: Mutex<Known>,
    /// Whether other nodes spend too.
    shared: AtomicBool,
}

#[derive(Default)]
struct Known {
    /// What was spent, by all nodes as far as it was told.
    tracks: Tracks,
    /// What this node has added to it since it last wrote it down.
    since: Tracks,
}

impl Budgets {
    /// Other nodes spend too.
    pub(crate) fn share(&self) {
        self.shared.store(true, Ordering::Relaxed);
    }

    /// What rules see of a workspace's spending, while a batch is built.
    pub(crate) fn book(&self, workspace: WorkspaceId, now: Nanos) -> Book<'_> {
        Book { budgets: self, workspace, now, pending: Mutex::default() }
    }

    pub(crate) fn settle(&self, workspace: WorkspaceId, charges: &[Charge], now: Nanos) {
        self.each(workspace, charges, |track, charge| track.settle(charge, now));
    }

    pub(crate) fn reserve(&self, workspace: WorkspaceId, charges: &[Charge], now: Nanos) {
        self.each(workspace, charges, |track, charge| track.reserve(charge, now));
    }

    fn each(&self, workspace: WorkspaceId, charges: &[Charge], act: impl Fn(&mut Track, &Charge)) {
        if charges.is_empty() {
            return;
        }
        let mut known = self.known.lock();
        let Known { tracks, since } = &mut *known;
        for charge in charges {
            let key = (workspace.0, charge.budget.clone(), charge.key.clone());
            for tracks in [&mut *tracks, &mut *since] {
                make_room(tracks, &key);
                act(tracks.entry(key.clone()).or_default(), charge);
            }
        }
    }
}

/// Forgets the quietest half where one key more would be too many.
fn make_room(tracks: &mut Tracks, key: &Key) {
    if tracks.len() < KEYS_MAX || tracks.contains_key(key) {
        return;
    }
    let last = |track: &Track| track.buckets.back().map_or(i64::MIN, |(at, _, _)| *at);
    let mut ages: Vec<i64> = tracks.values().map(last).collect();
    let (_, median, _) = ages.select_nth_unstable(KEYS_MAX / 2);
    let median = *median;
    tracks.retain(|_, track| last(track) > median);
}

/// A workspace's spending, and what the batch at hand adds to it.
pub(crate) struct Book<'a> {
    budgets: &'a Budgets,
    workspace: WorkspaceId,
    now: Nanos,
    pending: Mutex<HashMap<(String, String), Spent>>,
}

impl Book<'_> {
    pub(crate) fn pend(&self, charges: &[Charge]) {
        if charges.is_empty() {
            return;
        }
        let mut pending = self.pending.lock();
        for charge in charges {
            let held = pending.entry((charge.budget.clone(), charge.key.clone())).or_default();
            *held = held.plus(charge.amount);
        }
    }
}

impl Spending for Book<'_> {
    fn spent(&self, budget: &str, key: &str, window: Window) -> Spent {
        let key = (self.workspace.0, budget.to_owned(), key.to_owned());
        let known = self.budgets.known.lock();
        let track = known.tracks.get(&key);
        let settled = track.map_or_else(Spent::default, |track| track.spent(window, self.now));
        drop(known);
        let pending = self.pending.lock();
        settled.plus(pending.get(&(key.1, key.2)).copied().unwrap_or_default())
    }
}

/// How far a budget is used up under one key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BudgetBurn {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// What it says, in words.
    pub title: String,
    /// The budget.
    pub budget: ListedBudget,
    /// The values under which was spent, in the order of the budget's key.
    pub key: Vec<String>,
    /// Spent in the window that ends now, reservations included, nano-USD, as text.
    pub spent_nano_usd: String,
    /// Tokens used.
    pub spent_tokens: u64,
    /// The larger share of the limits that is used up; 1 is all.
    pub used: f64,
}

impl Recorder {
    /// What a workspace has spent of the budgets in force, most used up first; at most `limit`. A budget
    /// under which nothing was spent has one line without a key.
    pub fn budgets(&self, workspace: WorkspaceId, limit: usize) -> Vec<BudgetBurn> {
        let now = self.now();
        let mut out = Vec::new();
        for policy in self.rule_listing().policies {
            if policy.mode == Mode::Off {
                continue;
            }
            for rule in policy.rules {
                let Some(budget) = rule.budget else { continue };
                let name = format!("{}/{}", policy.name, rule.id);
                let known = self.budgets.known.lock();
                let mine =
                    known.tracks.iter().filter(|(key, _)| key.0 == workspace.0 && key.1 == name);
                let mut spent: Vec<(Vec<String>, Spent)> = mine
                    .map(|(key, track)| {
                        let values = key.2.split('\u{1f}').filter(|value| !value.is_empty());
                        (values.map(str::to_owned).collect(), track.spent(budget.over, now))
                    })
                    .filter(|(_, spent)| *spent != Spent::default())
                    .collect();
                drop(known);
                if spent.is_empty() {
                    spent.push((Vec::new(), Spent::default()));
                }
                out.extend(spent.into_iter().map(|(key, spent)| {
                    let nano: Option<f64> =
                        budget.limit_nano_usd.as_ref().and_then(|limit| limit.parse().ok());
                    let share = |spent: f64, limit: Option<f64>| limit.map_or(0.0, |l| spent / l);
                    let tokens = budget.limit_tokens.map(|limit| limit as f64);
                    BudgetBurn {
                        policy: policy.name.clone(),
                        rule: rule.id.clone(),
                        title: rule.title.clone(),
                        budget: budget.clone(),
                        key,
                        spent_nano_usd: spent.nano_usd.to_string(),
                        spent_tokens: spent.tokens,
                        used: share(spent.nano_usd as f64, nano)
                            .max(share(spent.tokens as f64, tokens)),
                    }
                }));
            }
        }
        out.sort_by(|a, b| {
            b.used.total_cmp(&a.used).then_with(|| (&a.policy, &a.rule).cmp(&(&b.policy, &b.rule)))
        });
        out.truncate(limit);
        out
    }

    pub(crate) async fn load_budgets(&self) -> Result<(), Error> {
        let held = self.store.setting(SETTING).await?;
        self.budgets.known.lock().tracks = read(held.as_deref());
        Ok(())
    }

    pub(crate) async fn run_budgets(&self) {
        let mut took = Duration::ZERO;
        loop {
            let is_shared = self.budgets.shared.load(Ordering::Relaxed);
            let pause = if is_shared { SHARE_EVERY } else { SAVE_EVERY };
            // Budgets of a hundred thousand keys may not take more than a little of a node's time.
            tokio::time::sleep(pause.max(20 * took)).await;
            let start = Instant::now();
            self.save_budgets().await;
            took = start.elapsed();
        }
    }

    /// Writes down what was spent, and hears what others have.
    pub(crate) async fn save_budgets(&self) {
        let since = std::mem::take(&mut self.budgets.known.lock().since);
        let saved = if self.budgets.shared.load(Ordering::Relaxed) {
            self.share_budgets(&since).await
        } else if since.is_empty() {
            return;
        } else {
            self.keep_budgets().await
        };
        if let Err(error) = saved {
            let mut known = self.budgets.known.lock();
            let later = std::mem::replace(&mut known.since, since);
            add_all(&mut known.since, &later);
            tracing::warn!(%error, "what was spent could not be written down");
        }
    }

    /// Writes down what this node knows, which is all.
    async fn keep_budgets(&self) -> Result<(), Error> {
        let bytes = written(&self.budgets.known.lock().tracks)?;
        let held = self.store.setting(SETTING).await?;
        self.store.swap_setting(SETTING, held.as_deref(), Some(&bytes)).await?;
        Ok(())
    }

    /// Adds what this node spent since to what all have spent.
    async fn share_budgets(&self, since: &Tracks) -> Result<(), Error> {
        for _ in 0..SHARE_TRIES {
            let held = self.store.setting(SETTING).await?;
            let mut all = read(held.as_deref());
            if !since.is_empty() {
                add_all(&mut all, since);
                let bytes = written(&all)?;
                if !self.store.swap_setting(SETTING, held.as_deref(), Some(&bytes)).await? {
                    continue;
                }
            }
            let mut known = self.budgets.known.lock();
            add_all(&mut all, &known.since);
            known.tracks = all;
            return Ok(());
        }
        Err(Error::Internal("other nodes wrote at every try".into()))
    }
}

fn written(tracks: &Tracks) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(&tracks.iter().collect::<Vec<_>>())
        .map_err(|error| Error::Internal(error.to_string()))
}

fn read(held: Option<&[u8]>) -> Tracks {
    let Some(held) = held else { return Tracks::default() };
    serde_json::from_slice::<Vec<(Key, Track)>>(held).map_or_else(
        |error| {
            tracing::warn!(%error, "what was spent does not read; budgets start anew");
            Tracks::default()
        },
        |tracks| tracks.into_iter().collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(usd: i64, window: Window) -> Charge {
        let amount = Spent { nano_usd: usd, tokens: 1 };
        Charge { budget: "p/r".into(), key: "k".into(), window, amount }
    }

    #[test]
    fn what_was_spent_leaves_a_sliding_window_and_a_calendar_one() {
        let budgets = Budgets::default();
        let (here, hour) = (WorkspaceId(1), 3_600_000_000_000);
        let window = Window::Sliding(24 * hour);
        let spent =
            |at: i64, window| budgets.book(here, Nanos(at)).spent("p/r", "k", window).nano_usd;
        budgets.settle(here, &[charge(5, window)], Nanos(100 * hour));
        budgets.settle(here, &[charge(7, window)], Nanos(110 * hour));
        assert_eq!(spent(111 * hour, window), 12);
        assert_eq!(spent(125 * hour, window), 7);
        assert_eq!(spent(140 * hour, window), 0);
        // Day 5 begins at hour 120.
        assert_eq!(spent(119 * hour, Window::Day), 12);
        assert_eq!(spent(121 * hour, Window::Day), 0);
        let elsewhere = budgets.book(WorkspaceId(2), Nanos(111 * hour));
        assert_eq!(elsewhere.spent("p/r", "k", window), Spent::default());
    }

    #[test]
    fn a_reservation_counts_until_its_span_settles_it() {
        let budgets = Budgets::default();
        let window = Window::Sliding(86_400_000_000_000);
        let now = Nanos(1_000_000_000_000_000);
        let spent = || budgets.book(WorkspaceId(1), now).spent("p/r", "k", window).nano_usd;
        budgets.reserve(WorkspaceId(1), &[charge(5, window)], now);
        assert_eq!(spent(), 5);
        budgets.settle(WorkspaceId(1), &[charge(3, window)], now);
        assert_eq!(spent(), 3);
    }

    #[test]
    fn nodes_add_up_what_they_spend_and_settle_what_others_reserved() {
        let window = Window::Sliding(86_400_000_000_000);
        let now = Nanos(1_000_000_000_000_000);
        let [here, there] = [Budgets::default(), Budgets::default()];
        here.settle(WorkspaceId(1), &[charge(5, window)], now);
        here.reserve(WorkspaceId(1), &[charge(100, window)], now);
        let mut all = read(Some(&written(&here.known.lock().since).unwrap()));
        there.settle(WorkspaceId(1), &[charge(7, window)], now);
        there.settle(WorkspaceId(1), &[charge(9, window)], Nanos(now.0 + 7_200_000_000_000));
        add_all(&mut all, &there.known.lock().since);
        let track = all.values().next().unwrap();
        assert_eq!((all.len(), track.buckets.len(), track.reserved.len()), (1, 2, 0));
        assert_eq!(track.spent(window, Nanos(now.0 + 7_200_000_000_000)).nano_usd, 21);
    }

    #[test]
    fn what_could_not_be_told_still_settles_what_others_reserved() {
        let window = Window::Sliding(86_400_000_000_000);
        let now = Nanos(1_000_000_000_000_000);
        let [others, first, later] = [Budgets::default(), Budgets::default(), Budgets::default()];
        others.reserve(WorkspaceId(1), &[charge(100, window), charge(200, window)], now);
        first.settle(WorkspaceId(1), &[charge(5, window)], now);
        later.settle(WorkspaceId(1), &[charge(7, window)], now);
        let mut since = std::mem::take(&mut first.known.lock().since);
        add_all(&mut since, &later.known.lock().since);
        let mut all = std::mem::take(&mut others.known.lock().since);
        add_all(&mut all, &since);
        let spent: Vec<i64> = all.values().map(|track| track.spent(window, now).nano_usd).collect();
        assert_eq!(spent, [12]);
    }

    #[test]
    fn a_batch_sees_what_its_earlier_spans_spend() {
        let budgets = Budgets::default();
        let window = Window::Sliding(86_400_000_000_000);
        let book = budgets.book(WorkspaceId(1), Nanos(5));
        book.pend(&[charge(5, window)]);
        assert_eq!(book.spent("p/r", "k", window).nano_usd, 5);
    }
}

//! What has been spent, per budget and key.
//!
//! Kept in memory in buckets of a sixtieth of the window, written down every few seconds and at the stop, so
//! that a crash forgets seconds, not days. `decide` reserves; the span that follows settles.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
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
        self.reserved.pop_front();
        let length = bucket_ns(charge.window);
        let start = now.0.div_euclid(length) * length;
        let begin = charge.window.begin(now).0;
        while self.buckets.front().is_some_and(|(start, _, _)| *start < begin - length) {
            self.buckets.pop_front();
        }
        let Spent { nano_usd, tokens } = charge.amount;
        match self.buckets.back_mut() {
            Some((at, nano, held)) if *at == start => {
                *nano = nano.saturating_add(nano_usd);
                *held = held.saturating_add(tokens);
            }
            _ => self.buckets.push_back((start, nano_usd, tokens)),
        }
    }
}

/// All tracks of the installation.
#[derive(Default)]
pub(crate) struct Budgets {
    tracks: Mutex<HashMap<Key, Track>>,
    changed: AtomicBool,
}

impl Budgets {
    /// What rules see of a workspace's spending, while a batch is built.
    pub(crate) fn book(&self, workspace: WorkspaceId, now: Nanos) -> Book<'_> {
        Book { budgets: self, workspace, now, pending: Mutex::default() }
    }

    pub(crate) fn settle(&self, workspace: WorkspaceId, charges: &[Charge], now: Nanos) {
        self.each(workspace, charges, |track, charge| track.settle(charge, now));
    }

    pub(crate) fn reserve(&self, workspace: WorkspaceId, charges: &[Charge], now: Nanos) {
        let until = now.0.saturating_add(RESERVED_NS);
        self.each(workspace, charges, |track, charge| {
            track.reserved.retain(|(until, _, _)| *until > now.0);
            track.reserved.push_back((until, charge.amount.nano_usd, charge.amount.tokens));
        });
    }

    fn each(&self, workspace: WorkspaceId, charges: &[Charge], act: impl Fn(&mut Track, &Charge)) {
        if charges.is_empty() {
            return;
        }
        let mut tracks = self.tracks.lock();
        for charge in charges {
            let key = (workspace.0, charge.budget.clone(), charge.key.clone());
            if tracks.len() >= KEYS_MAX && !tracks.contains_key(&key) {
                let last = |track: &Track| track.buckets.back().map_or(i64::MIN, |(at, _, _)| *at);
                let mut ages: Vec<i64> = tracks.values().map(last).collect();
                let (_, median, _) = ages.select_nth_unstable(KEYS_MAX / 2);
                let median = *median;
                tracks.retain(|_, track| last(track) > median);
            }
            act(tracks.entry(key).or_default(), charge);
        }
        self.changed.store(true, Ordering::Relaxed);
    }
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
        let tracks = self.budgets.tracks.lock();
        let settled =
            tracks.get(&key).map_or_else(Spent::default, |track| track.spent(window, self.now));
        drop(tracks);
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
                let tracks = self.budgets.tracks.lock();
                let mine = tracks.iter().filter(|(key, _)| key.0 == workspace.0 && key.1 == name);
                let mut spent: Vec<(Vec<String>, Spent)> = mine
                    .map(|(key, track)| {
                        let values = key.2.split('\u{1f}').filter(|value| !value.is_empty());
                        (values.map(str::to_owned).collect(), track.spent(budget.over, now))
                    })
                    .filter(|(_, spent)| *spent != Spent::default())
                    .collect();
                drop(tracks);
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
        let Some(held) = self.store.setting(SETTING).await? else { return Ok(()) };
        match serde_json::from_slice::<Vec<(Key, Track)>>(&held) {
            Ok(tracks) => *self.budgets.tracks.lock() = tracks.into_iter().collect(),
            Err(error) => {
                tracing::warn!(%error, "what was spent does not read; budgets start anew");
            }
        }
        Ok(())
    }

    pub(crate) async fn run_budgets(&self) {
        loop {
            tokio::time::sleep(SAVE_EVERY).await;
            self.save_budgets().await;
        }
    }

    pub(crate) async fn save_budgets(&self) {
        if !self.budgets.changed.swap(false, Ordering::Relaxed) {
            return;
        }
        let tracks: Vec<(Key, Track)> = {
            let tracks = self.budgets.tracks.lock();
            tracks.iter().map(|(key, track)| (key.clone(), track.clone())).collect()
        };
        let saved = async {
            let bytes = serde_json::to_vec(&tracks).map_err(|e| Error::Internal(e.to_string()))?;
            let held = self.store.setting(SETTING).await?;
            self.store.swap_setting(SETTING, held.as_deref(), Some(&bytes)).await?;
            Ok::<(), Error>(())
        };
        if let Err(error) = saved.await {
            self.budgets.changed.store(true, Ordering::Relaxed);
            tracing::warn!(%error, "what was spent could not be written down");
        }
    }
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
    fn a_batch_sees_what_its_earlier_spans_spend() {
        let budgets = Budgets::default();
        let window = Window::Sliding(86_400_000_000_000);
        let book = budgets.book(WorkspaceId(1), Nanos(5));
        book.pend(&[charge(5, window)]);
        assert_eq!(book.spent("p/r", "k", window).nano_usd, 5);
    }
}

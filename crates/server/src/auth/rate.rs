//! How often: requests per key, failed logins per address and account.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use exhibit_model::Limits;
use exhibit_recorder::{Caller, Who};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use parking_lot::Mutex;

use crate::problem::Problem;

/// Callers remembered before those that have been quiet are forgotten.
const REMEMBERED: usize = 10_000;

/// What has been used up.
pub(crate) struct Rates {
    requests: DefaultKeyedRateLimiter<String>,
    failures: Mutex<HashMap<String, Failures>>,
    failures_per_min: u32,
}

/// Failed logins within the minute that began then.
struct Failures {
    since: Instant,
    count: u32,
}

const MINUTE: Duration = Duration::from_mins(1);

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let per_second = NonZeroU32::new(limits.key_requests_per_s).unwrap_or(NonZeroU32::MIN);
        Self {
            requests: RateLimiter::keyed(Quota::per_second(per_second)),
            failures: Mutex::default(),
            failures_per_min: limits.login_attempts_per_min.max(1),
        }
    }

    /// Counts a request. The machine's own command line is not counted.
    pub(crate) fn check(&self, caller: &Caller) -> Result<(), Problem> {
        let id = match &caller.who {
            Who::Key { id, .. } => &id.0,
            Who::User { id, .. } => &id.0,
            Who::Local => return Ok(()),
        };
        if self.requests.len() > REMEMBERED {
            self.requests.retain_recent();
        }
        self.requests.check_key(id).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Problem::too_many(
                "Too many requests with this key; send larger batches or wait.",
                wait.as_secs() + 1,
            )
        })
    }

    /// Counts a visit without an account.
    pub(crate) fn check_visit(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let Some(address) = address else { return Ok(()) };
        self.requests.check_key(&format!("visit {}", address.to_canonical())).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Problem::too_many("Too many visits; wait a moment.", wait.as_secs() + 1)
        })
    }

    /// Whether a login may be tried.
    pub(crate) fn check_login(
        &self,
        address: Option<IpAddr>,
        account: &str,
    ) -> Result<(), Problem> {
        let now = Instant::now();
        let failures = self.failures.lock();
        let wait = names(address, account).filter_map(|name| {
            let held = failures.get(&name)?;
            let left = (held.since + MINUTE).checked_duration_since(now)?;
            (held.count >= self.failures_per_min).then_some(left)
        });
        match wait.max() {
            None => Ok(()),
            Some(left) => Err(Problem::too_many(
                "Too many failed logins; wait a moment before the next try.",
                left.as_secs() + 1,
            )),
        }
    }

    /// Notes a failed login.
    pub(crate) fn login_failed(&self, address: Option<IpAddr>, account: &str) {
        let now = Instant::now();
        let mut failures = self.failures.lock();
        if failures.len() > REMEMBERED {
            failures.retain(|_, held| held.since + MINUTE > now);
        }
        for name in names(address, account) {
            let held = failures.entry(name).or_insert(Failures { since: now, count: 0 });
            if held.since + MINUTE <= now {
                *held = Failures { since: now, count: 0 };
            }
            held.count = held.count.saturating_add(1);
        }
    }
}

fn names(address: Option<IpAddr>, account: &str) -> impl Iterator<Item = String> {
    let account: String = account.trim().to_lowercase().chars().take(254).collect();
    [address.map(|a| format!("address {}", a.to_canonical())), Some(format!("account {account}"))]
        .into_iter()
        .flatten()
}

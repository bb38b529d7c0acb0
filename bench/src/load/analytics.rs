//! Asks the query API how many spans it knows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::sender::authorization;
use crate::{
    corpus::period::{rfc3339, unix_time},
    http::{Connection, Request, Target},
};

/// How far back spans are counted: beyond the 30 days of the corpus.
const DAYS_BACK: u64 = 400;
const POLL: Duration = Duration::from_millis(25);

/// Reads `data.totals.spans` of `GET /api/v1/analytics`.
pub struct SpanCount {
    authority: String,
    path: String,
    headers: String,
}

impl SpanCount {
    /// A reader for the API at `base`, such as `http://127.0.0.1:3000`.
    pub fn new(base: &str, key: &str) -> Result<Self> {
        let target = Target::parse(base)?;
        let now = unix_time().as_secs();
        let from = rfc3339(now.saturating_sub(DAYS_BACK * 86_400));
        let to = rfc3339(now + 86_400);
        Ok(Self {
            authority: target.authority,
            path: format!(
                "{}/api/v1/analytics?from={from}&to={to}",
                target.path.trim_end_matches('/')
            ),
            headers: authorization(key),
        })
    }

    /// Spans known now.
    pub async fn read(&self) -> Result<u64> {
        let mut connection = Connection::new(&self.authority);
        self.read_on(&mut connection).await
    }

    /// Polls until at least `wanted` spans are known or the time is up; the last count read.
    pub async fn wait_for(&self, wanted: u64, limit: Duration) -> Result<u64> {
        let started = Instant::now();
        let mut connection = Connection::new(&self.authority);
        loop {
            let found = self.read_on(&mut connection).await?;
            if found >= wanted || started.elapsed() > limit {
                return Ok(found);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn read_on(&self, connection: &mut Connection) -> Result<u64> {
        let request =
            Request { method: "GET", path: &self.path, headers: &self.headers, body: b"" };
        let response = connection.send(request).await?;
        let text = String::from_utf8_lossy(&response.body);
        ensure!(
            response.is_success(),
            "GET {} answered {}: {:.200}",
            self.path,
            response.status,
            text
        );
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        let spans = answer.pointer("/data/totals/spans").context("no data.totals.spans")?;
        let number = spans.as_u64().or_else(|| spans.as_str()?.parse().ok());
        number.context("data.totals.spans is not a count")
    }
}

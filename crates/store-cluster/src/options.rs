//! What a cluster store is told when it is opened.

use std::{sync::Arc, time::Duration};

use exhibit_model::Limits;

/// Where the databases are, and the bounds of the store.
#[derive(Debug, Clone)]
pub struct Options {
    /// PostgreSQL, as a URL (`postgres://user:password@host:5432/database`) or as `key=value` pairs.
    /// Several hosts may be named; the first that takes writes is used.
    pub postgres: String,
    /// ClickHouse's HTTP interface, such as `http://host:8123`. A user and password may stand in it.
    pub clickhouse: String,
    /// ClickHouse database; made when it is missing.
    pub database: String,
    /// Limits of seals and stale spans.
    pub limits: Limits,
    /// Connections to PostgreSQL.
    pub connections: usize,
    /// How long the shipper waits for more before it ships.
    pub ship_interval: Duration,
    /// Unshipped payload bytes from which commits are answered with `Busy`.
    pub outbox_bytes_max: u64,
    /// Unshipped commits from which commits are answered with `Busy`.
    pub outbox_commits_max: i64,
    /// How long a node may be silent before another takes over its work.
    pub lease: Duration,
    /// Furthest that a clock may be off another, before the node refuses to start.
    pub skew_max: Duration,
    /// Reads only: the node starts no tasks, ships nothing and leads nothing.
    pub passive: bool,
    /// Traces that are carried over from another store are found by their words too.
    pub carry_words: bool,
    /// For tests: where this node stops.
    pub interrupt: Option<Interrupt>,
}

/// Stops a node between two steps as if it had died there. For tests.
#[derive(Clone)]
pub struct Interrupt(Arc<dyn Fn(&'static str) -> bool + Send + Sync>);

impl Interrupt {
    /// Stops wherever the function says so.
    pub fn new(stops: impl Fn(&'static str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(stops))
    }

    pub(crate) fn stops(&self, step: &'static str) -> bool {
        (self.0)(step)
    }
}

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interrupt")
    }
}

impl Options {
    /// The databases at these addresses, everything else by default.
    pub fn new(postgres: impl Into<String>, clickhouse: impl Into<String>) -> Self {
        Self {
            postgres: postgres.into(),
            clickhouse: clickhouse.into(),
            database: "exhibit".to_owned(),
            limits: Limits::default(),
            connections: 16,
            ship_interval: Duration::from_millis(200),
            outbox_bytes_max: 4 << 30,
            outbox_commits_max: 20_000,
            lease: Duration::from_secs(10),
            skew_max: Duration::from_secs(30),
            passive: false,
            carry_words: true,
            interrupt: None,
        }
    }
}

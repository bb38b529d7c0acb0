//! The server through its doors: a real one on 127.0.0.1:0, over a store in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod accounts;
mod api;
mod bad_input;
mod bench;
mod doors;
mod governance;
mod grpc;
mod ingest;
mod live;
mod otlp;
mod proxy;
mod query;
mod rule_files;

//! The embedded store through its public door, on real directories.

#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod backup;
mod batches;
mod conformance;
mod crash;
mod opening;
mod searching;

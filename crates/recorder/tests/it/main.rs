//! The recorder through its public door, over the store in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod ablate;
mod accept;
mod accounts;
mod clocks;
mod erasure;
mod house;
mod replay;
mod reprice;
mod reviews;
mod rules;
mod sink;
mod within;

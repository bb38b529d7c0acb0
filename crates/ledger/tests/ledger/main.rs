//! The crate through its public doors: published vectors, other implementations, and mutations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

mod canonical;
mod checkpoints;
mod leaves;
mod merkle;
mod notes;
mod records;
mod tiled_log;
mod vectors;

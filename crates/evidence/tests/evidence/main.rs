//! Bundles through the public door: written, verified, attacked. Every case is checked by three
//! verifiers that share no code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod attacks;
mod cleared;
mod corpus;
mod erasures;
mod others;
mod refusals;
mod stamps;
mod successions;

//! Bundles through the public door: written, verified, attacked. Every case is checked by three
//! verifiers that share no code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod attacks;
mod corpus;
mod others;
mod refusals;
mod successions;

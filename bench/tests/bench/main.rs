//! The measuring instruments are measured: the corpus keeps its law, the clients count right.

// Test code outside test functions: a broken expectation may end it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::unnecessary_wraps)]

mod clients;
mod corpus_law;
mod mock;
mod processes;

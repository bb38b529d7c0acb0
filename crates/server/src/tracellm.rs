//! What TraceLLM's programs read and write: trace documents, on listeners of their own.
//!
//! [`documents`] makes documents of traces; [`rest`] serves them over REST and WebSocket; `crate::mongo`
//! takes and serves them over MongoDB's wire protocol. None of these protocols knows
//! authentication, so the listeners are opt-in and answer on loopback only.

pub(crate) mod documents;
pub(crate) mod rest;

//! Measuring instruments for the recorder: a seeded corpus of agent traces, a load client and
//! query timings.
//!
//! Nothing here depends on the recorder's own crates: the instruments speak only the public
//! protocols (OTLP/HTTP, the native JSON API, the query API), so a figure never profits from shared
//! code. They can be pointed at any server that speaks OTLP.
//!
//! Start at [`corpus`] for what is sent, [`load`] for how spans are counted, and `run.sh` for the
//! order in which a whole report is made.

pub mod cold_start;
pub mod corpus;
pub mod freshness;
pub mod http;
pub mod load;
pub mod measure;
pub mod process;
pub mod query;
pub mod report;
pub mod single;
pub mod stats;

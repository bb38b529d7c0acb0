//! The cluster store on real engines. `make test-cluster` starts them; without `POSTGRES_URL` and
//! `CLICKHOUSE_URL` every test here is skipped with that reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod conform;
mod crash;
mod engines;
mod start;

//! The checks of the house. `direction`: who may depend on whom. `sources`: how code is laid out.
//! `manifests`: dependencies and licences. `documents`: the mission's table, links, forbidden words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

mod direction;
mod documents;
mod manifests;
mod sources;
mod tree;

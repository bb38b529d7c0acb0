//! Capture through its public doors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod bad_input;
mod coding_agents;
mod dialects;
mod live;
mod merged_table;
mod merged_usage;
mod native;
mod otlp;
mod precedence;
mod properties;
mod support;
mod tokens;
mod wrappers;

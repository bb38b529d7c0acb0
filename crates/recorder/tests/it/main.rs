//! The recorder through its public door, over the store in memory.

mod accept;
mod accounts;
mod clocks;
mod house;
mod rules;

//! The embedded store through its public door, on real directories.

mod backup;
mod batches;
mod conformance;
mod crash;
mod opening;
mod searching;

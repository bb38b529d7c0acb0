//! The binary from outside: real processes in temporary directories, on free ports.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what goes wrong here is a failed test"
)]

mod archive;
mod backup;
mod configuration;
mod crash;
mod encryption;
mod evidence;
mod gaps;
mod home;
mod http;
mod jobs;
mod keep;
mod keys;
mod outside;
mod pages;
mod policies;
mod provider;
mod replay;
mod scan;
mod start;
mod succession;
mod tamper;
mod trace;
mod traces;
mod verify;

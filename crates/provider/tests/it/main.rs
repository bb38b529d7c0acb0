//! The provider clients against a scripted server on the loopback interface.

// The helpers are test code too, but stand outside test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod anthropic;
mod choosing;
mod embeddings;
mod failures;
mod gemini;
mod ollama;
mod openai;
mod protocols;
mod responses;
mod scripted_server;

//! The rules of the house as tests: a rule that nothing checks is a wish.
//!
//! This crate has no code of its own. The checks stand in `tests/house/`, one module per subject,
//! and read the workspace as it lies on disk: manifests through `cargo metadata` and `cargo tree`,
//! sources and documents as text. Start at `tests/house/main.rs`.

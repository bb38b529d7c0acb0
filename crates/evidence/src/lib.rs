//! Evidence bundles: one file that proves what was recorded, with no server and no network.
//!
//! [`BundleWriter`] makes one, [`verify`](mod@verify) checks one, [`report`] tells people what is in
//! it. The format is described in `docs/reference/evidence.md`; two more verifiers that share no code
//! with this one are in `verifiers/`.
//!
//! The crate keeps nothing, reads no clock and knows no store: bytes in, bytes out. What it reads is
//! hostile: every size is bounded, every refusal has a name.

pub mod bundle;
pub mod cover;
pub mod line;
pub mod manifest;
pub mod report;
pub mod stamp;
pub mod trail;
pub mod verify;
pub mod zip;

pub use bundle::BundleWriter;
pub use line::{ErasureLine, PartLine, RecordLine};
pub use manifest::{Counts, LogHead, Manifest, Selection};
pub use verify::{DatedBy, Demands, Erasure, Report, Verdict, verify};
pub use zip::Refusal;

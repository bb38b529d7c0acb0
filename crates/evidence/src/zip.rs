//! The plain subset of ZIP (APPNOTE 6.3) that bundles use: stored or deflated files with known sizes,
//! one after the other, nothing between, before or behind them.
//!
//! General readers resolve contradictions silently (two files of one name, a directory that differs
//! from the local headers, files that share bytes), each in its own way; a verifier may not. So this
//! reader accepts only what [`ZipWriter`] writes and names what it refuses. There is no ZIP64: a
//! bundle is below 4 GiB.

mod read;
mod write;

pub use read::{Entry, ZipReader};
pub use write::{PackedFile, ZipWriter};

/// Largest file in a bundle, in bytes before compression.
pub const FILE_BYTES_MAX: u64 = 256 << 20;
/// Largest sum of all files, in bytes before compression.
pub const TOTAL_BYTES_MAX: u64 = 64 << 30;
/// Most files.
pub const FILES_MAX: usize = 60_000;
/// Longest file name.
pub const NAME_BYTES_MAX: usize = 120;
/// Deflate cannot do better than this (zlib's documentation); a larger claim is a lie.
const RATIO_MAX: u64 = 1_032;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const LOCAL_BYTES: u64 = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: u64 = 22;
/// The name is UTF-8 (bit 11); the only flag that is taken.
const FLAG_UTF8: u16 = 0x0800;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// 1 January 1980, the first date of the format: bundles of equal content are equal.
const DATE: u16 = 0x0021;

/// Why a file is not taken as a bundle. [`Refusal::code`] is stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No end record in its place, or fields that contradict one another.
    #[error("this is not a ZIP file as bundles are: {0}")]
    NotAZip(&'static str),
    /// ZIP64, 4 GiB claims, more files or bytes than a bundle may have.
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// Encryption, another compression, data descriptors, extra fields.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// A name that leaves the bundle or is not in its one form.
    #[error("a file name is not safe")]
    UnsafeName,
    /// Two files of one name.
    #[error("two files are named {0}")]
    DuplicateName(String),
    /// The manifest is missing or does not read.
    #[error("manifest.json: {0}")]
    Manifest(String),
    /// A file that the manifest does not list.
    #[error("{0} is not in the manifest")]
    Unlisted(String),
    /// A file of the bundle does not read as what it should be.
    #[error("{file}: {what}")]
    Malformed {
        /// Which.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Read(String),
}

impl Refusal {
    /// The stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAZip(_) => "not-a-zip",
            Self::TooLarge(_) => "too-large",
            Self::Unsupported(_) => "unsupported",
            Self::UnsafeName => "unsafe-name",
            Self::DuplicateName(_) => "duplicate-name",
            Self::Manifest(_) => "malformed-manifest",
            Self::Unlisted(_) => "unlisted-file",
            Self::Malformed { .. } => "malformed-file",
            Self::Read(_) => "unreadable",
        }
    }
}

/// Whether a name is of the one form: parts of `a-z A-Z 0-9 . _ -` divided by single slashes, none of
/// them starting with a dot.
pub fn is_safe_name(name: &str) -> bool {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    name.len() <= NAME_BYTES_MAX
        && name
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(safe))
}

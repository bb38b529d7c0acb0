//! The files of a tiled log (C2SP tlog-tiles): their paths and their bytes.
//!
//! A tile holds up to 256 hashes of one level, an entry bundle the entries under a level 0 tile.
//! Serving them, and compressing them on the way, is done elsewhere.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::decimal;
use crate::tree::Hash;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;
/// Largest entry in bytes: its length has 16 bits.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// Highest level a path may name.
const LEVEL_MAX: u64 = 63;

/// Why a path or a tile was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not the path of a tile or bundle.
    #[error("not a tile path")]
    Path,
    /// Bytes that are not as many hashes as the tile is wide.
    #[error("a tile of {width} hashes does not have {found} bytes")]
    Hashes {
        /// Width of the tile.
        width: u16,
        /// Bytes found.
        found: usize,
    },
    /// Bytes that are not as many entries as the bundle is wide.
    #[error("not a bundle of {width} entries")]
    Bundle {
        /// Width of the bundle.
        width: u16,
    },
    /// An entry too long for a bundle.
    #[error("an entry of {0} bytes is longer than 65,535")]
    Entry(usize),
    /// More entries or hashes than a tile has, or none.
    #[error("a tile has 1 to 256 places, not {0}")]
    Width(usize),
}

/// What a tile path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TileKind {
    /// Hashes of a level, 0 to 63.
    Hashes {
        /// Tile level; 0 holds leaf hashes.
        level: u8,
    },
    /// Entries.
    Entries,
}

/// Path of a tile below the log's prefix: `tile/<level>/<index>[.p/<width>]` or
/// `tile/entries/<index>[.p/<width>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TilePath {
    /// Hashes or entries.
    pub kind: TileKind,
    /// Number of the tile within its level.
    pub index: u64,
    /// Hashes or entries in it, 1 to 256; fewer than 256 makes a partial tile.
    pub width: u16,
}

impl TilePath {
    /// The hash tile `index` of `level`, as wide as a tree of `size` leaves makes it; `None` where that
    /// tree has no such tile.
    pub fn hashes(level: u8, index: u64, size: u64) -> Option<Self> {
        let at_level = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let start = index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = at_level.checked_sub(start)?.min(u64::from(TILE_WIDTH)) as u16;
        (width > 0).then_some(Self { kind: TileKind::Hashes { level }, index, width })
    }

    /// The bundle `index` of a tree of `size` leaves.
    pub fn entries(index: u64, size: u64) -> Option<Self> {
        Some(Self { kind: TileKind::Entries, ..Self::hashes(0, index, size)? })
    }

    /// Every hash tile and bundle of a log of `size` leaves, level by level.
    pub fn all_of(size: u64) -> impl Iterator<Item = Self> {
        let bundles = (0..).map_while(move |index| Self::entries(index, size));
        let hashes =
            (0..8).flat_map(move |level| (0..).map_while(move |n| Self::hashes(level, n, size)));
        bundles.chain(hashes)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut groups = 1;
        while groups < 7 && self.index >= 1000_u64.pow(groups) {
            groups += 1;
        }
        for group in (1..groups).rev() {
            write!(f, "x{:03}/", self.index / 1000_u64.pow(group) % 1000)?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for TilePath {
    type Err = TileError;

    fn from_str(text: &str) -> Result<Self, TileError> {
        let path = read_path(text).ok_or(TileError::Path)?;
        // A path has one spelling: no `x000/` in front, no other padding.
        if path.to_string() == text { Ok(path) } else { Err(TileError::Path) }
    }
}

fn read_path(text: &str) -> Option<TilePath> {
    let (kind, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let kind = if kind == "entries" {
        TileKind::Entries
    } else {
        let level = decimal(kind).filter(|level| *level <= LEVEL_MAX)?;
        TileKind::Hashes { level: level as u8 }
    };
    let (index, width) = match rest.split_once(".p/") {
        None => (rest, TILE_WIDTH),
        Some((index, width)) => {
            let width = decimal(width).filter(|w| (1..u64::from(TILE_WIDTH)).contains(w))?;
            (index, width as u16)
        }
    };
    let index = index.split('/').try_fold(0_u64, |index, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        index.checked_mul(1000)?.checked_add(digits.parse().ok()?)
    })?;
    Some(TilePath { kind, index, width })
}

/// The bytes of a tile.
///
/// # Errors
/// No hash, or more than 256.
pub fn encode_hashes(hashes: &[Hash]) -> Result<Vec<u8>, TileError> {
    check_width(hashes.len())?;
    Ok(hashes.iter().flat_map(|hash| hash.0).collect())
}

/// The hashes of a tile of this width.
///
/// # Errors
/// Another number of bytes.
pub fn parse_hashes(bytes: &[u8], width: u16) -> Result<Vec<Hash>, TileError> {
    check_width(usize::from(width))?;
    let (chunks, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || chunks.len() != usize::from(width) {
        return Err(TileError::Hashes { width, found: bytes.len() });
    }
    Ok(chunks.iter().copied().map(Hash).collect())
}

/// The bytes of an entry bundle: each entry after its length in two big-endian bytes.
///
/// # Errors
/// No entry, more than 256, or one longer than 65,535 bytes.
pub fn encode_entries<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, TileError> {
    check_width(entries.len())?;
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| TileError::Entry(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle of this width.
///
/// # Errors
/// Bytes that end early or go on after the last entry.
pub fn parse_entries(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    check_width(usize::from(width))?;
    let error = TileError::Bundle { width };
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bytes;
    for _ in 0..width {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(error)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(error)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(error) }
}

fn check_width(width: usize) -> Result<(), TileError> {
    if (1..=usize::from(TILE_WIDTH)).contains(&width) {
        Ok(())
    } else {
        Err(TileError::Width(width))
    }
}

//! Rollup cells: the pure arithmetic that every store and verification share.

/// Which cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {}

/// Its sums.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {}

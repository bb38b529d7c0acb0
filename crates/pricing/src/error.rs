//! Why a price file was refused.

/// A price file that is not used; the prices in force stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not YAML, an unknown key, or a value of the wrong type; the reason names line and column.
    #[error("{name}: {reason}")]
    Syntax {
        /// The file.
        name: String,
        /// What is wrong and where.
        reason: String,
    },
    /// Readable, but it contradicts itself.
    #[error("{name}: model `{model}`: {reason}")]
    Model {
        /// The file.
        name: String,
        /// The entry.
        model: String,
        /// What is wrong.
        reason: String,
    },
}

//! Canonical JSON (RFC 8785): one byte form per value, and a reader for texts that have only one
//! meaning.
//!
//! [`canonicalize`] writes; [`parse_strict`] reads and refuses what two readers could understand
//! differently: duplicate names, lone surrogates, broken UTF-8, nesting beyond a bound, anything after
//! the value. Numbers are written as ECMAScript does ([`format_number`]). Integers that a double cannot
//! hold exactly are refused rather than changed: write those as strings.

mod number;
mod strict;
mod write;

pub use number::format_number;
pub use strict::{ParseError, parse_strict};
pub use write::{CanonicalError, DEPTH_MAX, INTEGER_MAX, canonicalize, canonicalize_into};

pub(crate) use write::write_string;

//! The one filter language, used the same way from URL, command line and dashboard.

/// A parsed filter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {}

//! How filters become plans over the tables.

pub(crate) mod condition;
pub(crate) mod facet;
pub(crate) mod known;
pub(crate) mod plan;

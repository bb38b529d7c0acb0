//! The storage contract, the query language, and the conformance suite of every back end.

//! The embedded store: one SQLite writer with group commit, a read pool, a tantivy index.

-- What refuses the re-delivery of erased traces: keyed digests, no ids.
CREATE TABLE tombstones (
  workspace INTEGER NOT NULL,
  digest    BLOB NOT NULL,
  PRIMARY KEY (workspace, digest)
) STRICT, WITHOUT ROWID;

-- Erasure finds every block of a trace, those that no row names any more included.
CREATE INDEX blocks_of_trace ON blocks (trace);

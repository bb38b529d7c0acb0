-- What others have said about checkpoints of the installation's log: cosigned notes (kind 1) and
-- time-stamp tokens (kind 2).
CREATE TABLE anchors (
  kind  INTEGER NOT NULL,
  size  INTEGER NOT NULL,
  name  TEXT NOT NULL,
  note  TEXT NOT NULL,
  token BLOB NOT NULL,
  kept  INTEGER NOT NULL,
  PRIMARY KEY (kind, size, name)
) STRICT, WITHOUT ROWID;

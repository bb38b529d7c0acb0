-- What was refused at a door, after governance. Bounded per workspace; never evidence.
CREATE TABLE dead_letters (
  number    INTEGER PRIMARY KEY AUTOINCREMENT,
  workspace INTEGER NOT NULL,
  received  INTEGER NOT NULL,
  door      TEXT NOT NULL,
  place     INTEGER,
  pointer   TEXT NOT NULL,
  reason    TEXT NOT NULL,
  trace_id  TEXT,
  span_id   TEXT,
  body      TEXT,
  cut       INTEGER NOT NULL,
  bytes     INTEGER NOT NULL,
  digest    BLOB NOT NULL
) STRICT;
CREATE INDEX dead_letters_of_workspace ON dead_letters (workspace, number);

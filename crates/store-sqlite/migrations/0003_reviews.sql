-- What people are asked to look at, and what was told to whom.

-- `body` is the model's Review as JSON; the columns are what lists ask for.
CREATE TABLE reviews (
  number    INTEGER PRIMARY KEY AUTOINCREMENT,
  workspace INTEGER NOT NULL,
  id        TEXT NOT NULL,
  trace_id  TEXT NOT NULL,
  state     INTEGER NOT NULL,
  queue     TEXT NOT NULL,
  assignee  TEXT,
  rule      TEXT NOT NULL,
  due       INTEGER,               -- while it waits: when it expires
  version   INTEGER NOT NULL,
  body      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX reviews_by_id ON reviews (workspace, id);
CREATE INDEX reviews_by_state ON reviews (workspace, state, number);
CREATE INDEX reviews_of_trace ON reviews (workspace, trace_id);
CREATE INDEX reviews_by_due ON reviews (due) WHERE due IS NOT NULL;

-- Keys of quarantined records, wrapped. Without its key a record cannot be read by anybody.
CREATE TABLE locks (
  workspace INTEGER NOT NULL,
  record    BLOB NOT NULL,
  key       BLOB NOT NULL,
  PRIMARY KEY (workspace, record)
) STRICT, WITHOUT ROWID;

-- Deliveries of notifications. `next` is when to try again; null: done or given up. Bounded per
-- workspace; never evidence.
CREATE TABLE deliveries (
  number    INTEGER PRIMARY KEY AUTOINCREMENT,
  workspace INTEGER NOT NULL,
  id        TEXT NOT NULL,
  channel   TEXT NOT NULL,
  event     TEXT NOT NULL,
  body      TEXT NOT NULL,
  created   INTEGER NOT NULL,
  next      INTEGER,
  attempts  INTEGER NOT NULL,
  delivered INTEGER,
  last      TEXT
) STRICT;
CREATE UNIQUE INDEX deliveries_by_id ON deliveries (workspace, id);
CREATE INDEX deliveries_by_next ON deliveries (next) WHERE next IS NOT NULL;

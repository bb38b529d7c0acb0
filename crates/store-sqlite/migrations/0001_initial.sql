-- The first schema. Codes of words (kind, status, verdict, …) are those of the model; times are
-- nanoseconds since the epoch.

-- Numbers that only grow. `sequence`: one per commit, for live views.
CREATE TABLE counters (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- ── Accounts ────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE workspaces (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id TEXT NOT NULL UNIQUE,
  name      TEXT NOT NULL,
  created   INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
  id            TEXT PRIMARY KEY,
  email         TEXT NOT NULL UNIQUE,
  display_name  TEXT,
  password_hash TEXT NOT NULL,
  created       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
  user      TEXT NOT NULL REFERENCES users (id),
  workspace INTEGER NOT NULL REFERENCES workspaces (id),
  role      INTEGER NOT NULL,
  joined    INTEGER NOT NULL,  -- order of joining: the personal workspace comes first
  PRIMARY KEY (user, workspace)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_of_workspace ON members (workspace);

CREATE TABLE api_keys (
  number    INTEGER PRIMARY KEY,
  id        TEXT NOT NULL UNIQUE,
  workspace INTEGER NOT NULL,
  owner     TEXT,
  name      TEXT NOT NULL,
  prefix    TEXT NOT NULL,
  hash      BLOB NOT NULL UNIQUE,
  scopes    TEXT NOT NULL,
  created   INTEGER NOT NULL,
  expires   INTEGER,
  revoked   INTEGER,
  last_used INTEGER
) STRICT;
CREATE INDEX api_keys_of_workspace ON api_keys (workspace, created);

CREATE TABLE sessions (
  hash    BLOB PRIMARY KEY,
  user    TEXT NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was done to all of these: the bodies that the leaves of administration commit to.
CREATE TABLE acts (
  log  INTEGER NOT NULL,
  leaf INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (log, leaf)
) STRICT, WITHOUT ROWID;

-- ── Traces ──────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE traces (
  id             INTEGER PRIMARY KEY,
  workspace      INTEGER NOT NULL,
  trace_id       TEXT NOT NULL,
  start          INTEGER NOT NULL,
  "end"          INTEGER,
  duration       INTEGER,
  status         INTEGER NOT NULL,
  verdict        INTEGER NOT NULL,
  cost           INTEGER,
  tokens_in      INTEGER NOT NULL,
  tokens_out     INTEGER NOT NULL,
  spans          INTEGER NOT NULL,
  errors         INTEGER NOT NULL,
  findings       INTEGER NOT NULL,
  known          INTEGER NOT NULL,  -- bits: which fields say anything (has(field))
  sealed         INTEGER NOT NULL,  -- 1: the latest seal is final
  session        TEXT,
  user           TEXT,
  first_received INTEGER NOT NULL,
  last_received  INTEGER NOT NULL,
  records        INTEGER NOT NULL,  -- current rows in spans, the registration included
  contexts       INTEGER NOT NULL,  -- rows in contexts
  leaves         INTEGER NOT NULL,  -- ledger leaves of its spans
  covered        INTEGER NOT NULL,  -- of those, covered by the latest seal
  seals          INTEGER NOT NULL,
  seal_due       INTEGER,           -- when it is to be sealed
  root_received  INTEGER,           -- when the root's current revision came
  first_span     TEXT,              -- the span in whose rollup cells the trace counts
  key            BLOB NOT NULL,
  summary        TEXT NOT NULL      -- JSON of the model's TraceSummary
) STRICT;
CREATE UNIQUE INDEX traces_by_id ON traces (workspace, trace_id);
CREATE INDEX traces_by_start ON traces (workspace, start, id);
CREATE INDEX traces_by_workspace ON traces (workspace);
CREATE INDEX traces_by_session ON traces (workspace, session, start) WHERE session IS NOT NULL;
CREATE INDEX traces_by_seal_due ON traces (seal_due) WHERE seal_due IS NOT NULL;

-- Every value of a trace that can be asked for by equality, newest first under its hash.
CREATE TABLE facets (
  hash  INTEGER NOT NULL,
  start INTEGER NOT NULL,
  trace INTEGER NOT NULL,
  PRIMARY KEY (hash, start, trace)
) STRICT, WITHOUT ROWID;

-- Facets of traces that came out of the order of time, on their way into `facets`: a slice of the
-- hashes at a time, since neighbours share pages there and newcomers do not.
CREATE TABLE facets_late (
  hash  INTEGER NOT NULL,
  start INTEGER NOT NULL,
  trace INTEGER NOT NULL,
  PRIMARY KEY (hash, start, trace)
) STRICT, WITHOUT ROWID;

-- What spans of one trace have in common (agent, session, user, tags, metadata, …), said once.
CREATE TABLE contexts (
  trace  INTEGER NOT NULL,
  number INTEGER NOT NULL,
  body   TEXT NOT NULL,
  PRIMARY KEY (trace, number)
) STRICT, WITHOUT ROWID;

-- The current revision of each span. A trace is one range of this table. `packed` holds everything
-- that no statement looks at: the record's id and digest, its leaf, where its parts stand, and the
-- values that lists show.
CREATE TABLE spans (
  trace    INTEGER NOT NULL,
  span_id  TEXT NOT NULL,
  start    INTEGER NOT NULL,
  parent   TEXT,
  received INTEGER,                 -- while it runs: when this revision came
  packed   BLOB NOT NULL,
  PRIMARY KEY (trace, span_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX spans_running ON spans (received) WHERE received IS NOT NULL;

-- Terminal revisions that were replaced.
CREATE TABLE superseded (
  trace     INTEGER NOT NULL,
  span_id   TEXT NOT NULL,
  leaf      INTEGER NOT NULL,
  leaf_hash BLOB NOT NULL,
  record    BLOB NOT NULL,
  digest    BLOB NOT NULL,
  block     INTEGER NOT NULL,
  offset    INTEGER NOT NULL,
  lengths   BLOB NOT NULL,
  PRIMARY KEY (trace, span_id, leaf)
) STRICT, WITHOUT ROWID;

-- Which span of a trace counts the usage of a provider's response.
CREATE TABLE responses (
  trace       INTEGER NOT NULL,
  response_id TEXT NOT NULL,
  span_id     TEXT NOT NULL,
  PRIMARY KEY (trace, response_id)
) STRICT, WITHOUT ROWID;

-- Payloads of the spans of one trace that came together: one zstd frame. Numbers only grow; the
-- search index remembers up to which it has read.
CREATE TABLE blocks (
  id        INTEGER PRIMARY KEY,
  trace     INTEGER NOT NULL,
  raw_bytes INTEGER NOT NULL,
  data      BLOB NOT NULL
) STRICT;

CREATE TABLE seals (
  trace   INTEGER NOT NULL,
  number  INTEGER NOT NULL,
  record  BLOB NOT NULL,
  leaf    INTEGER NOT NULL,
  body    BLOB NOT NULL,
  covered INTEGER NOT NULL,
  root    BLOB NOT NULL,
  partial INTEGER NOT NULL,
  late    INTEGER NOT NULL,
  PRIMARY KEY (trace, number)
) STRICT, WITHOUT ROWID;

-- ── Rollups ─────────────────────────────────────────────────────────────────────────────────────

-- Cells of one bucket in key order, packed into chunks of about two kilobytes. `first` is the first
-- key, which starts with the dimension; `last_dimension` that of the last key.
CREATE TABLE rollups (
  workspace      INTEGER NOT NULL,
  grain          INTEGER NOT NULL,
  bucket         INTEGER NOT NULL,
  first          BLOB NOT NULL,
  last_dimension INTEGER NOT NULL,
  cells          BLOB NOT NULL,
  PRIMARY KEY (workspace, grain, bucket, first)
) STRICT, WITHOUT ROWID;

-- What recent commits added and the chunks do not hold yet.
CREATE TABLE rollup_deltas (
  id        INTEGER PRIMARY KEY,
  workspace INTEGER NOT NULL,
  cells     BLOB NOT NULL
) STRICT;
CREATE INDEX rollup_deltas_of_workspace ON rollup_deltas (workspace);

-- ── Ledger ──────────────────────────────────────────────────────────────────────────────────────

-- Log 0 is the installation's, others have their workspace's number.
CREATE TABLE logs (
  log       INTEGER PRIMARY KEY,
  size      INTEGER NOT NULL,
  root      BLOB NOT NULL,
  frontier  BLOB NOT NULL,
  published INTEGER NOT NULL
) STRICT;

-- Consecutive leaves: their hashes one after the other, their bytes as a compressed entry bundle.
CREATE TABLE leaf_runs (
  id      INTEGER PRIMARY KEY,
  log     INTEGER NOT NULL,
  first   INTEGER NOT NULL,
  count   INTEGER NOT NULL,
  raw_bytes INTEGER NOT NULL,
  hashes  BLOB NOT NULL,
  entries BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX leaf_runs_by_place ON leaf_runs (log, first);

-- Roots of full subtrees of 256^level leaves.
CREATE TABLE tiles (
  log   INTEGER NOT NULL,
  level INTEGER NOT NULL,
  place INTEGER NOT NULL,
  hash  BLOB NOT NULL,
  PRIMARY KEY (log, level, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
  log    INTEGER NOT NULL,
  size   INTEGER NOT NULL,
  root   BLOB NOT NULL,
  note   TEXT NOT NULL,
  signed INTEGER NOT NULL,
  PRIMARY KEY (log, size)
) STRICT, WITHOUT ROWID;

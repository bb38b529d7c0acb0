-- The first schema. Codes of words (kind, status, …) are those of the model; times are nanoseconds
-- since the epoch. Text that clients choose freely is bytea, since a text cannot hold U+0000; ids are
-- text in the order of their bytes.

-- Trace numbers, block numbers and the sequence of commits. Not cached, so that within one log a later
-- commit has a larger number whichever node made it.
CREATE SEQUENCE numbers;

CREATE TABLE settings (
  name  text COLLATE "C" PRIMARY KEY,
  value bytea NOT NULL
);

-- Who does the work that only one node may do. The epoch grows whenever another node takes over and is
-- checked in the transaction that records what was done.
CREATE TABLE leases (
  name   text COLLATE "C" PRIMARY KEY,
  holder text NOT NULL,
  epoch  bigint NOT NULL,
  until  timestamptz NOT NULL
);

-- ── Accounts ──────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE workspaces (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  public_id text COLLATE "C" NOT NULL UNIQUE,
  name      bytea NOT NULL,
  created   bigint NOT NULL
);

CREATE TABLE users (
  id            text COLLATE "C" PRIMARY KEY,
  email         text COLLATE "C" NOT NULL UNIQUE,
  display_name  bytea,
  password_hash text NOT NULL,
  created       bigint NOT NULL
);

CREATE TABLE members (
  joined    bigint GENERATED ALWAYS AS IDENTITY,
  member    text COLLATE "C" NOT NULL REFERENCES users (id),
  workspace bigint NOT NULL REFERENCES workspaces (id),
  role      bigint NOT NULL,
  PRIMARY KEY (member, workspace)
);
CREATE INDEX members_of_workspace ON members (workspace);

CREATE TABLE api_keys (
  number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id        text COLLATE "C" NOT NULL UNIQUE,
  workspace bigint NOT NULL REFERENCES workspaces (id),
  owner     text COLLATE "C",
  name      bytea NOT NULL,
  prefix    text NOT NULL,
  hash      bytea NOT NULL UNIQUE,
  scopes    text NOT NULL,
  created   bigint NOT NULL,
  expires   bigint,
  revoked   bigint,
  last_used bigint
);
CREATE INDEX api_keys_of_workspace ON api_keys (workspace, created);

CREATE TABLE sessions (
  hash    bytea PRIMARY KEY,
  member  text COLLATE "C" NOT NULL,
  expires bigint NOT NULL
);

-- ── Ledger ────────────────────────────────────────────────────────────────────────────────────────

-- Log 0 is the installation's, others have their workspace's number. The lock on this row is what
-- makes a log have one sequencer: whoever appends holds it to the end of the transaction.
CREATE TABLE logs (
  log       bigint PRIMARY KEY,
  size      bigint NOT NULL DEFAULT 0,
  root      bytea,
  frontier  bytea,
  published bigint NOT NULL DEFAULT 0
);

-- Consecutive leaves: their hashes one after the other, their bytes as a compressed entry bundle.
CREATE TABLE leaf_runs (
  log       bigint NOT NULL,
  first     bigint NOT NULL,
  count     bigint NOT NULL,
  raw_bytes bigint NOT NULL,
  hashes    bytea NOT NULL,
  entries   bytea NOT NULL,
  PRIMARY KEY (log, first)
);

-- Roots of full subtrees of 256^level leaves.
CREATE TABLE tiles (
  log   bigint NOT NULL,
  level bigint NOT NULL,
  place bigint NOT NULL,
  hash  bytea NOT NULL,
  PRIMARY KEY (log, level, place)
);

CREATE TABLE checkpoints (
  log    bigint NOT NULL,
  size   bigint NOT NULL,
  root   bytea NOT NULL,
  note   text NOT NULL,
  signed bigint NOT NULL,
  PRIMARY KEY (log, size)
);

-- The bodies that the leaves of administration commit to.
CREATE TABLE acts (
  log  bigint NOT NULL,
  leaf bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (log, leaf)
);

CREATE TABLE anchors (
  kind  bigint NOT NULL,
  size  bigint NOT NULL,
  name  text COLLATE "C" NOT NULL,
  note  text NOT NULL,
  token bytea NOT NULL,
  kept  bigint NOT NULL,
  PRIMARY KEY (kind, size, name)
);

CREATE TABLE tombstones (
  workspace bigint NOT NULL,
  digest    bytea NOT NULL,
  PRIMARY KEY (workspace, digest)
);

-- ── Traces ────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE traces (
  id             bigint PRIMARY KEY,
  workspace      bigint NOT NULL,
  trace_id       text COLLATE "C" NOT NULL,
  first_received bigint NOT NULL,
  last_received  bigint NOT NULL,
  records        bigint NOT NULL,  -- current rows in spans, the registration included
  leaves         bigint NOT NULL,  -- ledger leaves of its spans
  covered        bigint NOT NULL,  -- of those, covered by the latest seal
  seals          bigint NOT NULL,
  seal_due       bigint,           -- when it is to be sealed
  root_received  bigint,           -- when the root's current revision came
  first_span     text,             -- the span in whose rollup cells the trace counts
  key            bytea NOT NULL,
  summary        bytea NOT NULL    -- JSON of the model's TraceSummary
);
CREATE UNIQUE INDEX traces_by_id ON traces (workspace, trace_id);
CREATE INDEX traces_by_workspace ON traces (workspace, id);
CREATE INDEX traces_by_seal_due ON traces (seal_due) WHERE seal_due IS NOT NULL;

-- The current revision of each span. `claim` is the response id whose usage it counts.
CREATE TABLE spans (
  trace     bigint NOT NULL,
  span_id   text COLLATE "C" NOT NULL,
  start     bigint NOT NULL,
  parent    text COLLATE "C",
  received  bigint,                -- while it runs: when this revision came
  claim     bytea,
  record    bytea NOT NULL,
  digest    bytea NOT NULL,
  block     bigint NOT NULL,
  place     bytea NOT NULL,        -- offset in the block and length of each part
  leaf      bigint,
  leaf_hash bytea,
  counted   boolean NOT NULL,
  head      bytea NOT NULL,        -- JSON of the model's SpanHead
  PRIMARY KEY (trace, span_id)
);
CREATE INDEX spans_running ON spans (received) WHERE received IS NOT NULL;
CREATE INDEX spans_by_claim ON spans (trace, claim) WHERE claim IS NOT NULL;

-- Terminal revisions that were replaced.
CREATE TABLE superseded (
  trace     bigint NOT NULL,
  span_id   text COLLATE "C" NOT NULL,
  leaf      bigint NOT NULL,
  leaf_hash bytea NOT NULL,
  record    bytea NOT NULL,
  digest    bytea NOT NULL,
  block     bigint NOT NULL,
  place     bytea NOT NULL,
  PRIMARY KEY (trace, span_id, leaf)
);

CREATE TABLE seals (
  trace   bigint NOT NULL,
  number  bigint NOT NULL,
  record  bytea NOT NULL,
  leaf    bigint NOT NULL,
  body    bytea NOT NULL,
  covered bigint NOT NULL,
  root    bytea NOT NULL,
  partial boolean NOT NULL,
  late    boolean NOT NULL,
  PRIMARY KEY (trace, number)
);

-- ── Outbox: committed here, on its way to ClickHouse ────────────────────────────────────────────────

-- Traces whose row over there is older than the one here.
CREATE TABLE outbox_traces (
  trace     bigint PRIMARY KEY,
  workspace bigint NOT NULL,
  changed   bigint NOT NULL
);
CREATE INDEX outbox_traces_of_workspace ON outbox_traces (workspace);

-- Starts under which a trace stands over there no longer.
CREATE TABLE outbox_moved (
  trace     bigint NOT NULL,
  workspace bigint NOT NULL,
  start     bigint NOT NULL,
  changed   bigint NOT NULL
);

-- Payloads: one zstd frame per trace and batch.
CREATE TABLE outbox_blocks (
  id        bigint PRIMARY KEY,
  workspace bigint NOT NULL,
  trace     bigint NOT NULL,
  raw_bytes bigint NOT NULL,
  data      bytea NOT NULL
);
CREATE INDEX outbox_blocks_of_trace ON outbox_blocks (trace);

-- Text to be found, under the number of its block: four bytes of length, then a zstd frame.
CREATE TABLE outbox_texts (
  id        bigint PRIMARY KEY,
  workspace bigint NOT NULL,
  trace     bigint NOT NULL,
  text      bytea NOT NULL
);
CREATE INDEX outbox_texts_of_trace ON outbox_texts (trace);
CREATE INDEX outbox_texts_of_workspace ON outbox_texts (workspace, trace);

-- What commits added to rollups.
CREATE TABLE outbox_deltas (
  workspace bigint NOT NULL,
  sequence  bigint NOT NULL,
  cells     bytea NOT NULL,
  PRIMARY KEY (workspace, sequence)
);

-- Traces that are to go over there too.
CREATE TABLE outbox_erased (
  trace     bigint PRIMARY KEY,
  workspace bigint NOT NULL
);

-- ── Reviews, deliveries, refused entries ────────────────────────────────────────────────────────────

CREATE TABLE reviews (
  number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  workspace bigint NOT NULL,
  id        text COLLATE "C" NOT NULL,
  trace_id  text COLLATE "C" NOT NULL,
  state     bigint NOT NULL,
  queue     bytea NOT NULL,
  assignee  bytea,
  rule      bytea NOT NULL,
  due       bigint,
  version   bigint NOT NULL,
  body      bytea NOT NULL
);
CREATE UNIQUE INDEX reviews_by_id ON reviews (workspace, id);
CREATE INDEX reviews_by_state ON reviews (workspace, state, number);
CREATE INDEX reviews_of_trace ON reviews (workspace, trace_id);
CREATE INDEX reviews_by_due ON reviews (due) WHERE due IS NOT NULL;

-- Keys of quarantined records, wrapped.
CREATE TABLE locks (
  workspace bigint NOT NULL,
  record    bytea NOT NULL,
  key       bytea NOT NULL,
  PRIMARY KEY (workspace, record)
);

CREATE TABLE deliveries (
  number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  workspace bigint NOT NULL,
  id        text COLLATE "C" NOT NULL,
  channel   bytea NOT NULL,
  event     bytea NOT NULL,
  body      bytea NOT NULL,
  created   bigint NOT NULL,
  next      bigint,
  attempts  bigint NOT NULL,
  delivered bigint,
  last      bytea
);
CREATE UNIQUE INDEX deliveries_by_id ON deliveries (workspace, id);
CREATE INDEX deliveries_by_next ON deliveries (next) WHERE next IS NOT NULL;

CREATE TABLE dead_letters (
  number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  workspace bigint NOT NULL,
  received  bigint NOT NULL,
  door      bytea NOT NULL,
  place     bigint,
  pointer   bytea NOT NULL,
  reason    bytea NOT NULL,
  trace_id  bytea,
  span_id   bytea,
  body      bytea,
  cut       boolean NOT NULL,
  bytes     bigint NOT NULL,
  digest    bytea NOT NULL
);
CREATE INDEX dead_letters_of_workspace ON dead_letters (workspace, number);

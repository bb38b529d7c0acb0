-- The first schema. Everything here can be shipped again without changing what is read: rows are keyed,
-- and of two rows under one key the one with the larger version counts.

-- What lists filter and sort by. `facets` holds `field, U+0000, value` of every text value, `folded` the
-- same in lower case.
CREATE TABLE IF NOT EXISTS traces (
  workspace    Int64,
  start        Int64,
  trace        Int64,
  trace_id     String,
  version      UInt64,
  gone         UInt8,
  ended        Nullable(Int64),
  duration     Nullable(Int64),
  status       UInt8,
  verdict      UInt8,
  cost         Nullable(Int64),
  tokens       UInt64,
  tokens_in    UInt64,
  tokens_out   UInt64,
  spans        UInt64,
  errors       UInt64,
  findings     UInt64,
  sealed       UInt8,
  kinds        Array(UInt8),
  cost_sources Array(UInt8),
  session      Nullable(String),
  end_user     Nullable(String),
  facets       Array(String),
  folded       Array(String),
  INDEX facets facets TYPE bloom_filter(0.01) GRANULARITY 4
) ENGINE = ReplacingMergeTree(version, gone)
PARTITION BY toYYYYMM(fromUnixTimestamp64Nano(start))
ORDER BY (workspace, start, trace)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Payloads: one zstd frame per trace and batch.
CREATE TABLE IF NOT EXISTS blocks (
  workspace Int64,
  trace     Int64,
  id        Int64,
  raw_bytes UInt32,
  data      String CODEC(NONE)
) ENGINE = ReplacingMergeTree
ORDER BY (workspace, trace, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Words of a batch, folded, each between two spaces.
CREATE TABLE IF NOT EXISTS texts (
  workspace Int64,
  trace     Int64,
  id        Int64,
  words     String CODEC(ZSTD(1)),
  INDEX words words TYPE text(tokenizer = splitByString([' ']))
) ENGINE = ReplacingMergeTree
ORDER BY (workspace, trace, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Rollup cells in the byte form of the contract. `version` is the last commit that is in the sum.
CREATE TABLE IF NOT EXISTS cells (
  workspace Int64,
  grain     UInt8,
  bucket    Int64,
  dimension UInt8,
  valued    UInt8,
  value     String,
  version   UInt64,
  cell      String
) ENGINE = ReplacingMergeTree(version)
ORDER BY (workspace, grain, bucket, dimension, valued, value)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

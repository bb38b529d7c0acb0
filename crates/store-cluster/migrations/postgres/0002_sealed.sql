-- Traces in the order of their seals, for whoever follows a log.
CREATE INDEX seals_by_leaf ON seals (leaf);

-- Blocks whose bytes went to cold storage: what stands in their place starts with this byte.
CREATE INDEX blocks_archived ON blocks (trace) WHERE substr(data, 1, 1) = x'02';

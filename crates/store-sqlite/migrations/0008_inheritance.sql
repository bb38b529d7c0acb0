-- The spans below a span: what it says of the agent counts for them too. After this, rollups are
-- derived anew from the spans.
CREATE INDEX spans_by_parent ON spans (trace, parent) WHERE parent IS NOT NULL;

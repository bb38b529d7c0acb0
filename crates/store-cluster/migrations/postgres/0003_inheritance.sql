-- The spans below a span: what it says of the agent counts for them too. What counts under an
-- inherited agent or user is moved in the same transaction, so nobody may commit beside it.
LOCK TABLE logs IN EXCLUSIVE MODE;
CREATE INDEX spans_by_parent ON spans (trace, parent) WHERE parent IS NOT NULL;

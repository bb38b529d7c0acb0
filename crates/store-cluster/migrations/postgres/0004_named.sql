-- Summaries get the sets of agents and users that any span of the trace names, and what that adds goes
-- over to ClickHouse. Nobody may commit beside it.
LOCK TABLE logs IN EXCLUSIVE MODE;

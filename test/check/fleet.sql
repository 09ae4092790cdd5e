-- For the profile "fleet".  Where a page is pruned, replay waits for older snapshots of
-- its standby, and a rewrite that comes after does not reach them; so there is room.
SELECT format('ALTER TABLE %s SET (fillfactor = 10, autovacuum_enabled = off)', name)
FROM unnest('{people, notes, labels, events_1, events_2a, events_2b}'::text[]) AS name \gexec
VACUUM FULL people, notes, labels, events;

-- A control: the extension, with trigger functions that note nothing.  A superuser
-- who replaces its functions is outside the promise; here it shows that the
-- checker sees an outdated entry of either tier.
CREATE OR REPLACE FUNCTION clarify_cache.track_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE OR REPLACE FUNCTION clarify_cache.mark_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

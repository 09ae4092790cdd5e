-- The extension, behind hostile.sql's clarify_context().
SET search_path = public, cache;
CREATE EXTENSION clarify_cache SCHEMA cache;
\ir hostile_definitions.sql

-- The cache that is checked: the extension.
CREATE EXTENSION clarify_cache;
\ir definitions.sql

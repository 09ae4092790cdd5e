ALTER FUNCTION or_denied(int, bool) SET search_path = public, pg_temp;

/* What inject.c offers, for whoever is connected; see there. */

CREATE SCHEMA failures;
GRANT USAGE ON SCHEMA failures TO PUBLIC;

CREATE FUNCTION failures.arm(n bigint) RETURNS void
AS '$libdir/clarify_cache', 'clarify_failure_arm' LANGUAGE c;

CREATE FUNCTION failures.report() RETURNS text
AS '$libdir/clarify_cache', 'clarify_failure_report' LANGUAGE c;

CREATE FUNCTION failures.places() RETURNS text
AS '$libdir/clarify_cache', 'clarify_failure_places' LANGUAGE c;

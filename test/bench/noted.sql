/*
 * What one could have in place of the extension's triggers: a table with a number
 * for each user, that says when something of theirs was changed.
 */
CREATE TABLE noted (user_id uuid PRIMARY KEY, n bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO noted SELECT id, 0 FROM users;
GRANT SELECT, INSERT, UPDATE ON noted TO app;

CREATE FUNCTION note_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO noted VALUES (NEW.id, 1) ON CONFLICT (user_id) DO UPDATE SET n = noted.n + 1;
	RETURN NULL;
END $$;
CREATE FUNCTION note_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO noted VALUES (NEW.user_id, 1) ON CONFLICT (user_id) DO UPDATE SET n = noted.n + 1;
	RETURN NULL;
END $$;

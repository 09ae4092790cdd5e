/*
 * Clarify's schema, as its application has it: made in the first schema of
 * the search_path, and the schema "auth" beside it.
 */

CREATE SCHEMA IF NOT EXISTS auth;

-- Who is asking: the web gateway puts the claims of the request's token here.
CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;

CREATE TABLE users (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	email text NOT NULL UNIQUE,
	name text NOT NULL,
	tier text NOT NULL DEFAULT 'free' CHECK (tier IN ('free', 'plus', 'pro')),
	total_reflections int DEFAULT 0,
	total_clarify_sessions int DEFAULT 0,
	last_sign_in_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE dreams (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
	title text NOT NULL CHECK (length(title) <= 200),
	description text CHECK (length(description) <= 2000),
	status text NOT NULL DEFAULT 'active'
		CHECK (status IN ('active', 'achieved', 'archived', 'released')),
	category text,
	priority int DEFAULT 5 CHECK (priority BETWEEN 1 AND 10),
	reflection_count int NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE clarify_sessions (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
	title text DEFAULT 'New conversation',
	message_count int NOT NULL DEFAULT 0,
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'archived')),
	last_message_at timestamptz NOT NULL DEFAULT now(),
	dream_id uuid REFERENCES dreams ON DELETE SET NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE clarify_messages (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	session_id uuid NOT NULL REFERENCES clarify_sessions ON DELETE CASCADE,
	role text NOT NULL CHECK (role IN ('user', 'assistant')),
	content text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE clarify_patterns (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
	session_id uuid REFERENCES clarify_sessions ON DELETE SET NULL,
	pattern_type text NOT NULL CHECK (pattern_type IN
		('recurring_theme', 'tension', 'potential_dream', 'identity_signal')),
	content text NOT NULL,
	strength int NOT NULL DEFAULT 5 CHECK (strength BETWEEN 1 AND 10),
	extracted_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE reflections (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
	dream_id uuid REFERENCES dreams ON DELETE SET NULL,
	tone text NOT NULL DEFAULT 'fusion' CHECK (tone IN ('gentle', 'intense', 'fusion')),
	dream text NOT NULL,
	plan text NOT NULL,
	relationship text NOT NULL,
	offering text NOT NULL,
	ai_response text NOT NULL,
	view_count int NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON dreams (user_id, updated_at DESC);
CREATE INDEX ON clarify_sessions (user_id, last_message_at DESC);
CREATE INDEX ON clarify_sessions (dream_id);
CREATE INDEX ON clarify_messages (session_id, created_at);
CREATE INDEX ON clarify_patterns (user_id, strength DESC);
CREATE INDEX ON clarify_patterns (session_id);
CREATE INDEX ON reflections (user_id, created_at DESC);
CREATE INDEX ON reflections (dream_id);

CREATE FUNCTION message_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE clarify_sessions
	SET message_count = message_count + 1, last_message_at = new.created_at
	WHERE id = new.session_id;
	RETURN NULL;
END $$;

CREATE TRIGGER message_added AFTER INSERT ON clarify_messages
	FOR EACH ROW EXECUTE FUNCTION message_added();

CREATE FUNCTION reflection_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF tg_op IN ('UPDATE', 'DELETE') AND old.dream_id IS NOT NULL THEN
		UPDATE dreams SET reflection_count = reflection_count - 1 WHERE id = old.dream_id;
	END IF;
	IF tg_op IN ('INSERT', 'UPDATE') AND new.dream_id IS NOT NULL THEN
		UPDATE dreams SET reflection_count = reflection_count + 1 WHERE id = new.dream_id;
	END IF;
	RETURN NULL;
END $$;

CREATE TRIGGER reflection_counted AFTER INSERT OR DELETE OR UPDATE OF dream_id ON reflections
	FOR EACH ROW EXECUTE FUNCTION reflection_counted();

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE dreams ENABLE ROW LEVEL SECURITY;
ALTER TABLE clarify_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE clarify_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE clarify_patterns ENABLE ROW LEVEL SECURITY;
ALTER TABLE reflections ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON users USING (id = auth.uid());
CREATE POLICY own ON dreams USING (user_id = auth.uid());
CREATE POLICY own ON clarify_sessions USING (user_id = auth.uid());
CREATE POLICY own ON clarify_messages USING (EXISTS (
	SELECT FROM clarify_sessions s WHERE s.id = session_id AND s.user_id = auth.uid()));
CREATE POLICY own ON clarify_patterns USING (user_id = auth.uid());
CREATE POLICY own ON reflections USING (user_id = auth.uid());

/*
 * A million rows of a thousand people.
 */
CREATE TABLE bulk (id int PRIMARY KEY, user_id uuid NOT NULL, n int NOT NULL DEFAULT 0);
INSERT INTO bulk SELECT i, md5('user ' || (1 + i % 1000))::uuid FROM generate_series(1, 1000000) i;

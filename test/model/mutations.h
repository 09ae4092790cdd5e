/*
 * MUTATION(id, name, what is wrong): each takes one thing away that the design
 * says is needed, or puts the obvious mistake in its place.
 */
MUTATION(NOT_MUTATED, "none", "nothing is changed")

/* Writers */
MUTATION(BUMP_AFTER_COMMIT, "bump-after-commit",
		 "tokens are written in a transaction of their own, after the commit")
MUTATION(BUMP_AT_FIRST_CHANGE, "bump-at-first-change",
		 "a token is written when a user's rows first change, not at the commit")
MUTATION(FOLD_SCANNED, "fold-scanned",
		 "rows are folded with the tokens that the scan saw, not those of the locked rows")
MUTATION(UPDATE_SCANNED, "update-scanned",
		 "a writer XORs its tokens to those that the scan saw, not those of the locked row")
MUTATION(TOKENS_REPEAT, "tokens-repeat",
		 "a token depends on what it is for, and is not fresh")
MUTATION(MOVE_BUMPS_NEW, "move-bumps-new",
		 "an UPDATE that moves a row to another user bumps only that one")
MUTATION(TRUNCATE_UNNOTED, "truncate-unnoted",
		 "TRUNCATE adds no token")

/* Readers */
MUTATION(NO_TABLE_LOCKS, "no-table-locks",
		 "a reader takes no locks on the tables, neither for the look nor for the build")
MUTATION(ACCEPT_ONCE, "accept-once",
		 "a reader accepts invalidations before it looks, not after it has the entry")
MUTATION(NO_FILL_GUARD, "no-fill-guard",
		 "what was built is kept without a look at the table-level rows")
MUTATION(PROBE_FRESH, "probe-fresh",
		 "versions are read under a fresh snapshot, not the caller's")
MUTATION(ENTRY_BY_USER, "entry-by-user",
		 "an entry is found by its user, whatever its version")
MUTATION(TABLE_TWICE, "table-twice",
		 "a table that is joined with itself counts twice in the XOR")
MUTATION(OWN_CHANGES, "own-changes",
		 "a transaction that has changed the table goes on using the cache")
MUTATION(HOLE_IGNORED, "hole-ignored",
		 "a hole does not keep a reader from the cache")

/* DDL, attach(), repair() */
MUTATION(NO_HOLE, "no-hole",
		 "disabled triggers leave no hole")
MUTATION(HOLE_TAKEN_BACK, "hole-taken-back",
		 "DDL that leaves the table well takes holes away")
MUTATION(ATTACH_BUMPS, "attach-bumps",
		 "ATTACH PARTITION adds a whole-table bump instead of a hole")
MUTATION(HOLE_AT_END, "hole-at-end",
		 "DETACH CONCURRENTLY leaves its hole at its end only")
MUTATION(HOLE_BEFORE_LOCK, "hole-before-lock",
		 "DETACH CONCURRENTLY asks whether the table is attached before it has locked it")
MUTATION(REPAIR_UNLOCKED, "repair-unlocked",
		 "repair() takes no locks")
MUTATION(REPAIR_LOCKS_ROOT, "repair-locks-root",
		 "repair() locks the root, and not the partitions")
MUTATION(COVERAGE_KEPT, "coverage-kept",
		 "repair() closes holes, but the coverage row keeps its token")
MUTATION(COLUMNS_KEPT, "columns-kept",
		 "the watched columns change, but the coverage row keeps its token")
MUTATION(RELEASE_BEFORE_SEND, "release-before-send",
		 "PostgreSQL releases the locks of a commit before it sends its invalidations")

/*
 * The code does more than the invariants need: without this, nothing is found.
 * See "What is not needed" in README.md.
 */
MUTATION(NO_LOCK_TO_LOOK, "no-lock-to-look",
		 "a reader takes its locks for the build only, not for the look")

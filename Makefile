# clarify_cache: make, make install, make installcheck; PG_CONFIG=... chooses the
# server.  WERROR=1 makes warnings errors.
#
# installcheck uses the running server that PGHOST and PGPORT name, except the
# TAP tests, which start their own.  test/run.sh starts servers for all of them.

MODULE_big = clarify_cache
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))

EXTENSION = clarify_cache
DATA = $(sort $(wildcard clarify_cache--*.sql))
PGFILEDESC = "clarify_cache - exact cache of per-user JSON context"

# hiredis, and its TLS part (which is used with OpenSSL) where the distribution has it.
PKG_CONFIG ?= pkg-config
HIREDIS := hiredis $(shell $(PKG_CONFIG) --exists hiredis_ssl openssl 2>/dev/null && echo hiredis_ssl openssl)
# An include names its folder.
PG_CPPFLAGS := -Isrc $(shell $(PKG_CONFIG) --cflags $(HIREDIS) 2>/dev/null)
SHLIB_LINK := $(shell $(PKG_CONFIG) --libs $(HIREDIS) 2>/dev/null || echo -lhiredis)
ifneq (,$(filter hiredis_ssl,$(HIREDIS)))
PG_CPPFLAGS += -DCLARIFY_WITH_TLS
endif

# Only what the server looks up is exported (base/compat.h).
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -fvisibility=hidden
ifeq ($(WERROR),1)
PG_CFLAGS += -Werror
endif

REGRESS := $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
ISOLATION := $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation
PROVE_TESTS := $(sort $(wildcard test/t/*.pl))
TAP_TESTS := $(if $(PROVE_TESTS),1)

# No bitcode for the JIT: what it inlines would name functions that are hidden, and
# calls of a cache have nothing to gain from inlining.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# PGXS knows nothing about headers.
$(OBJS): $(wildcard src/*.h src/*/*.h)

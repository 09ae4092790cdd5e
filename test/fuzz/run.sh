#!/bin/bash
#
# Fuzzing what reads bytes that others wrote, with libFuzzer, ASan and UBSan:
#
#   test/fuzz/run.sh                     # each harness, 100,000 executions
#   test/fuzz/run.sh 10000000            # ... ten million
#   test/fuzz/run.sh 10000000 entry      # ... of one: entry, redis_url, items, prompt_json
#   test/fuzz/run.sh 0                   # the corpus alone
#   FUZZ_KEEP=1 test/fuzz/run.sh ...     # what is new goes into the corpus, minimized
#
# Each starts with what is in corpus/.  An input that fails is printed and kept
# in the present folder.

# shellcheck source=test/lib.sh
. "$(dirname "$0")/../lib.sh"
programs=()
[ -e "$(clang -print-file-name=libclang_rt.fuzzer-x86_64.a 2>/dev/null)" ] ||
	programs=(clang libclang-rt-dev)	# the second is never a program, so both are installed

here=$source_dir/test/fuzz
executions=${1:-100000}
[[ $executions =~ ^[0-9]+$ ]] || die "usage: $0 [executions [harness...]]"
harnesses=("${@:2}")
[ ${#harnesses[@]} -gt 0 ] || harnesses=(entry redis_url items prompt_json)

tmp=$(mktemp -d /tmp/clarify_fuzz.XXXXXX)
trap 'rm -rf "$tmp"' EXIT
install_packages
PG_CONFIG=$(find_server)

flags="-g -O2 -fno-omit-frame-pointer -fno-strict-aliasing -DUSE_ASSERT_CHECKING=1
	-DCLARIFY_WITH_TLS -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-parameter -Wno-ignored-attributes
	-I$source_dir/src -I$("$PG_CONFIG" --includedir-server) $(pkg-config --cflags hiredis 2>/dev/null)"
sanitizers='-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all'
libraries="-L$("$PG_CONFIG" --pkglibdir) -L$("$PG_CONFIG" --libdir) -lpgcommon -lpgport"

# The stand-ins are not what is looked at, so the fuzzer need not see through them.
for name in server absent; do
	# shellcheck disable=SC2086	# words
	clang $flags -c -o "$tmp/$name.o" "$here/$name.c"
done

passed=0
failed=0
for name in "${harnesses[@]}"; do
	say "$name"
	mkdir "$tmp/new_$name"
	mkdir -p "$here/corpus/$name"
	# shellcheck disable=SC2086	# words
	clang $flags $sanitizers -o "$tmp/$name" "$here/$name.c" "$tmp/server.o" "$tmp/absent.o" $libraries

	# Little is kept of what was freed: it is used again while it is in the processor's caches.
	options=(-runs="$executions" -max_len=1024 -timeout=10 -artifact_prefix="$PWD/$name-" -verbosity=1)
	[ ! -e "$here/$name.dict" ] || options+=(-dict="$here/$name.dict")
	if ASAN_OPTIONS=quarantine_size_mb=1:malloc_context_size=4 \
		"$tmp/$name" "${options[@]}" "$tmp/new_$name" "$here/corpus/$name" >"$tmp/$name.log" 2>&1; then
		grep -E 'INITED|DONE' "$tmp/$name.log"
		passed=$((passed + 1))
	else
		tail -n 60 "$tmp/$name.log"
		failed=$((failed + 1))
		continue
	fi
	if [ -n "${FUZZ_KEEP:-}" ]; then
		mkdir "$tmp/all_$name"
		"$tmp/$name" -merge=1 -use_counters=0 -max_len=300 "$tmp/all_$name" "$here/corpus/$name" "$tmp/new_$name" >"$tmp/$name.log" 2>&1
		rm -rf "$here/corpus/$name"
		mv "$tmp/all_$name" "$here/corpus/$name"
	fi
done

printf '\n%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]

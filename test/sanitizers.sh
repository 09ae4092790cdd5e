# shellcheck shell=bash
#
# What run.sh does otherwise if CLARIFY_SANITIZE=1: the extension is built with
# AddressSanitizer and UndefinedBehaviorSanitizer and its assertions, and each
# report of theirs is a failed test.
#
# The server is as the distribution built it, so ASan's runtime, which has to
# be the first library of a process, comes with the environment.  It then is
# the malloc of all of the server.  So all of the following is seen in our code:
#
#	- reads and writes beyond variables on the stack, global ones, and what is
#	  malloc'ed, or after it was freed: hiredis's replies, contexts, buffers
#	- undefined behaviour: overflow, shifts, misalignment, null pointers, ...
#	- failed assertions, also those of the server's headers
#
# What palloc gives out lies in larger pieces that the server mallocs, and its
# ends are not seen, nor is pfree.
#
# Leaks are looked for when a process of the server exits in order.  The server
# itself leaves some behind; what counts is memory that our code or hiredis
# asked for and that nothing points to any more.

# shellcheck disable=SC2154	# lib.sh sets tmp
sanitizer_reports=$tmp/sanitizer

build_sanitized() {
	local postgres runtime options
	build WERROR=1 COPT="-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all \
-fno-wrapv -fno-omit-frame-pointer -O1 -DUSE_ASSERT_CHECKING=1"

	# The runtime must not begin with the first malloc, if that is one of the C
	# library under a lock that the beginning takes, too: it would hang.
	echo 'void __asan_init(void);
		__attribute__((constructor)) static void first(void) { __asan_init(); }' |
		gcc -shared -fPIC -Wl,-z,initfirst -x c -o "$tmp/asan_first.so" -
	runtime="$(gcc -print-file-name=libasan.so) $tmp/asan_first.so"

	options=abort_on_error=1:log_path=$sanitizer_reports:symbolize=0
	# The stack depth check compares addresses of variables: keep these on the stack.
	options+=:detect_stack_use_after_return=0:use_sigaltstack=0
	# Tests look at the memory of processes; what was freed is kept for a while only.
	options+=:quarantine_size_mb=4

	# The server's program, in the copy of its installation, becomes a script
	# that starts it: client programs and Redis need none of this.
	postgres=$("$PG_CONFIG" --bindir)/postgres
	mv "$postgres" "$postgres.real"
	cat >"$postgres" <<-SCRIPT
		#!/bin/bash
		export LD_PRELOAD='$runtime'"\${LD_PRELOAD:+ \$LD_PRELOAD}"
		export ASAN_OPTIONS=$options
		export LSAN_OPTIONS=exitcode=0
		exec -a "\$0" "\$0.real" "\$@"
	SCRIPT
	chmod +x "$postgres"
}

# Put names and lines in the place of our addresses.
symbolized() {
	local line address
	while IFS= read -r line; do
		if [[ $line =~ ^(\ *#[0-9]+).*\((.*/clarify_cache\.so)\+(0x[0-9a-f]+)\) ]]; then
			address=$(addr2line -f -s -p -e "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}")
			line="${BASH_REMATCH[1]} $address"
		fi
		printf '%s\n' "$line"
	done
}

# Each report begins with the name of its file.  In those of leaks, a paragraph
# is a place that something was allocated at.  UBSan reports to the server's log,
# in one line, and ends the process.
findings() {
	local report
	grep -a -H 'runtime error:' "$tmp/postgres.log" tmp_check/log/*.log 2>/dev/null |
		sed -E 's,^(.*/)?([^/]*\.log:),sanitizer.UB: \2 ,' || true
	for report in "$sanitizer_reports".*; do
		[ -e "$report" ] || continue
		if grep -q -a 'ERROR: LeakSanitizer' "$report"; then
			awk -v RS= -v file="${report##*/}" '/^(Direct|Indirect) leak/ && /clarify_cache\.so|libhiredis/ \
				{ print file ": " $0 }' "$report"
		else
			echo "${report##*/}:"
			cat "$report"
		fi
	done | symbolized
}

add_findings() {
	local log=$tmp/findings.log number
	findings >"$log"
	number=$(count '^sanitizer\.[0-9UB]+:' "$log")
	[ "$number" = 0 ] || say "reports of the sanitizers"
	cat "$log"
	add 0 0 "$number" || true
}

# shellcheck shell=bash
#
# The extension with a point of failure at each of its calls of the server.
#
# The linker's --wrap=NAME turns calls of NAME from our objects into calls of
# __wrap_NAME, which here is a piece of assembler: it keeps every register that an
# argument may be in, asks clarify_failure_point() (inject.c), and goes on to the
# real function.  So src/ knows nothing of it, and a call that is added there is a
# point without anybody's doing.  Calls through pointers (a table's access
# method) are none.

# These have a __wrap_ function of their own in inject.c.
callback_functions="RegisterXactCallback RegisterSubXactCallback \
CacheRegisterRelcacheCallback CacheRegisterSyscacheCallback"

# Functions of the server that our objects call, but those in "never".
failing_functions() {
	local objects=(src/*.o src/*/*.o)
	# shellcheck disable=SC2086	# words
	comm -12 <(nm -u "${objects[@]}" | awk '$1 == "U" { print $2 }' | sort -u) \
		<(nm -D --defined-only "$("$PG_CONFIG" --bindir)/postgres" |
			awk '$2 == "T" || $2 == "W" { sub("@.*", "", $3); print $3 }' | sort -u) |
		grep -v -x -F -f <(sed 's/#.*//' test/failures/never | tr -s ' \t' '\n' | grep .
			printf '%s\n' $callback_functions)
}

assembler() {
	local name
	cat <<-'ASM'
		.text
	common:
		pushq %rbp
		movq %rsp, %rbp
		subq $192, %rsp
		movq %rdi, -8(%rbp)
		movq %rsi, -16(%rbp)
		movq %rdx, -24(%rbp)
		movq %rcx, -32(%rbp)
		movq %r8, -40(%rbp)
		movq %r9, -48(%rbp)
		movq %rax, -56(%rbp)
		movq %r10, -64(%rbp)
		movaps %xmm0, -80(%rbp)
		movaps %xmm1, -96(%rbp)
		movaps %xmm2, -112(%rbp)
		movaps %xmm3, -128(%rbp)
		movaps %xmm4, -144(%rbp)
		movaps %xmm5, -160(%rbp)
		movaps %xmm6, -176(%rbp)
		movaps %xmm7, -192(%rbp)
		movq %r11, %rdi
		movq 8(%rbp), %rsi
		call clarify_failure_point@PLT
		movaps -80(%rbp), %xmm0
		movaps -96(%rbp), %xmm1
		movaps -112(%rbp), %xmm2
		movaps -128(%rbp), %xmm3
		movaps -144(%rbp), %xmm4
		movaps -160(%rbp), %xmm5
		movaps -176(%rbp), %xmm6
		movaps -192(%rbp), %xmm7
		movq -8(%rbp), %rdi
		movq -16(%rbp), %rsi
		movq -24(%rbp), %rdx
		movq -32(%rbp), %rcx
		movq -40(%rbp), %r8
		movq -48(%rbp), %r9
		movq -56(%rbp), %rax
		movq -64(%rbp), %r10
		leave
		jmp *%r10
	ASM
	for name in "$@"; do
		cat <<-ASM
			.globl __wrap_$name
			.type __wrap_$name, @function
		__wrap_$name:
			leaq name_$name(%rip), %r11
			movq __real_$name@GOTPCREL(%rip), %r10
			jmp common
			.section .rodata
		name_$name:
			.asciz "$name"
			.text
		ASM
	done
	echo '	.section .note.GNU-stack, "", @progbits'
}

# After "build": link again, and install.
build_failing() {
	local names name
	[ "$(uname -m)" = x86_64 ] || die "the points of failure are made for x86-64"
	mapfile -t names < <(failing_functions)
	[ ${#names[@]} -gt 100 ] || die "no functions of the server found in the objects"
	assembler "${names[@]}" >"$tmp/points.s"
	gcc -c -o test/failures/points.o "$tmp/points.s"
	for name in "${names[@]}" $callback_functions; do
		echo "--wrap=$name"
	done >"$tmp/wraps"
	rm clarify_cache.so
	run make -s with_llvm=no WERROR=1 \
		OBJS="$(printf '%s ' src/*.o src/*/*.o test/failures/inject.o test/failures/points.o)" \
		PG_LDFLAGS="-Wl,@$tmp/wraps"
	run make -s install with_llvm=no OBJS="$(printf '%s ' src/*.o src/*/*.o)"
}

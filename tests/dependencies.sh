#!/usr/bin/env bash
# Checks the dependencies: with cargo-deny by deny.toml where it is installed (without the
# network, so advisories as of its last fetch); in any case by what Cargo.lock alone tells.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
fail() {
    printf 'dependencies: %s\n' "$*" >&2
    failed=1
}

# Two versions of one of these would mean two runtimes, two trust stores, or types that look the
# same and are not.
single=(async-nats bytes hyper prometheus ring rustls serde_json sled tokio tokio-postgres tracing)

foreign=$(grep '^source = ' Cargo.lock | grep -v '"registry+https://github.com/rust-lang/crates.io-index"' || true)
[ -z "$foreign" ] || fail "Cargo.lock names sources other than crates.io: $foreign"

for name in "${single[@]}"; do
    count=$(grep -c "^name = \"$name\"\$" Cargo.lock || true)
    [ "$count" -le 1 ] || fail "Cargo.lock holds $count versions of $name"
done

# Every package from the registry is pinned to its content.
unpinned=$(awk '/^source = /{source++} /^checksum = /{sum++} END{print source - sum}' Cargo.lock)
[ "$unpinned" = 0 ] || fail "$unpinned packages in Cargo.lock have no checksum"

# Only what is built here was downloaded; other platforms' packages cannot be looked at offline.
host=$(rustc -vV | sed -n 's/^host: //p')
cargo metadata --locked --offline --filter-platform "$host" --format-version 1 >/dev/null ||
    fail "Cargo.lock does not fit the manifests"

if command -v cargo-deny >/dev/null 2>&1; then
    # Advisories only if they were fetched before: nothing here asks the network.
    checks=(bans licenses sources)
    [ ! -d "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs" ] || checks+=(advisories)
    cargo deny --offline --target "$host" check "${checks[@]}" || failed=1
else
    echo "dependencies: cargo-deny is not installed; checked Cargo.lock only"
fi
exit "$failed"

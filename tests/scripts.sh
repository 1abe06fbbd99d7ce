#!/usr/bin/env bash
# Checks every shell script: its syntax, and by shellcheck where it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts=(.ci/run)
while IFS= read -r script; do
    scripts+=("$script")
done < <(find tests deploy -name '*.sh' -type f)

for script in "${scripts[@]}"; do
    bash -n "$script"
done
if command -v shellcheck >/dev/null 2>&1; then
    shellcheck "${scripts[@]}"
else
    echo "scripts: shellcheck is not installed; checked the syntax of ${#scripts[@]} scripts only"
fi

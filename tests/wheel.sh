#!/usr/bin/env bash
# The wheel carries the benchmark's data: installed into an empty environment it works from another folder.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$root/.venv/bin/python" -m build --quiet --outdir "$folder" "$root" # the wheel from the sdist
"$root/.venv/bin/twine" check --strict "$folder"/cwmb-*
"$root/.venv/bin/check-wheel-contents" --config "$root/pyproject.toml" "$folder"/cwmb-*.whl
"$root/.venv/bin/python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$folder"/cwmb-*.whl
cd "$folder"
"$folder/venv/bin/cwmb" eval --strategy gif_mcts --model simulated --envs CliffWalking-v0,Pendulum-v1 --budget 2
test "$(wc -l < runs/gif_mcts-simulated-quick/records.jsonl)" = 2
case "$("$folder/venv/bin/python" -c 'import cwmb.benchmark.data; print(cwmb.benchmark.data.data_root())')" in
  "$folder"/*) echo "the wheel works on its own: $(du -h "$folder"/cwmb-*.whl | cut -f1)" ;;
  *) echo "the wheel found its data elsewhere" >&2; exit 1 ;;
esac

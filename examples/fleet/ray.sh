#!/bin/bash
# A Ray cluster of machines that can reach each other in a private network: nobody else may, since whoever reaches a
# Ray cluster runs what they like on it.
#
# On the first machine:       examples/fleet/ray.sh head
# On all others:              examples/fleet/ray.sh node FIRST:6379
# On the first, then:         examples/fleet/ray.sh measure
set -euo pipefail

export RAY_USAGE_STATS_ENABLED=0
# Else what measures stands back behind everything else on its machine (niceness 15).
export RAY_worker_niceness=0

# Bytes for models on this machine; without it Ray takes 70 % of the memory that is there.
memory="${SLM_MEMORY:-8000000000}"

case "${1:-}" in
  head)
    ray start --head --port=6379 --include-dashboard=false --resources='{"slm_exclusive": 1}' --memory="$memory"
    ;;
  node)
    ray start --address="$2" --resources='{"slm_exclusive": 1}' --memory="$memory"
    ;;
  measure)
    pytest-slm fleet submissions/*.yml --address=auto --slm-store=cells --suite=core,performance
    ;;
  *)
    echo "usage: $0 head | node FIRST:6379 | measure" >&2
    exit 2
    ;;
esac

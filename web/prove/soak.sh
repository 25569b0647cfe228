#!/usr/bin/env bash
# Lets 100 members come and go in 20 rooms, with 8 posts and 2.4 answers a second,
# for DURATION on each database, and prints what the server uses every five
# minutes. It exits 1 when the resident memory at the end is more than 1.1 times
# that of minute five, when goroutines grow, or when an acknowledged post is lost.
# ON names one database alone, HEAPS a folder for profiles of the heap.
#
#   DURATION=12m ON=sqlite HEAPS=heaps web/prove/soak.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
exec go run ./web/bench -soak "${DURATION:-30m}" -on "${ON:-}" -heaps "${HEAPS:-}"

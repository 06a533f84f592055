"""Benchmarks: CPU, latency and memory of the gateway beside nginx, over real sockets. `scripts/bench --help` lists
them."""

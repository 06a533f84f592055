"""Benchmarks of the gateway beside nginx: CPU, latency and memory over real sockets. `scripts/bench --help`
lists them.
"""

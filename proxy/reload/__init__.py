"""Reload of the configuration while the gateway runs.

`reloader` reads it and makes new requests use it. `watch` detects changes of its files. `restart` knows the settings
that a running gateway cannot change. `state` is the part that others see.
"""

"""A configuration that changes while the gateway runs. `reloader` reads it and lets new requests begin with it,
`watch` tells when its files change, `restart` knows what a running gateway cannot change, `state` is what others see
of it."""

"""The gateway: all I/O and the HTTP surface. The way of a chunk through it:

1. `api.chat` parses and validates the body once and resolves the model; `routing` says which target is tried next.
2. `stream` watches the client from before the upstream call until the end, makes attempts until one serves, and owns
cancel, close and the request's record. Each attempt has a policy chain, a call and a sink of its own (`job`).
3. `upstreams` reads the provider's bytes; `wire.sse` cuts them into events; `wire.{openai,anthropic,gemini}` decode.
4. `passage` folds each event through `policies.chain`, and sends what `wire.chunks` makes of it: no queues, so a slow
client slows the provider.
5. One exit for finish, cap, block, cancel and failure: upstream closed, usage recorded.

`app` wires it all; `server` is uvicorn as we need it (connections, drain); `simulator` stands in for the providers.
"""

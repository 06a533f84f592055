"""The gateway: all I/O and the HTTP surface. The way of a chunk through it:

1. `api.chat` parses and validates the body once, resolves the model, builds the request's own policy chain.
2. `stream` watches the client from before the upstream call until the end, and owns cancel, close and the request's
record. 3. `upstreams` reads the provider's bytes; `wire.sse` cuts them into events; `wire.{openai,anthropic,gemini}`
decode those. 4. `policies.chain` folds each event through the policies.
5. `wire.openai` encodes what comes out; `stream` sends it: no queues, so a slow client slows the provider.
6. One exit for finish, cap, block, cancel and failure: upstream closed, usage recorded.

`app` wires it all; `server` is uvicorn as we need it; `simulator` stands in for the providers.
"""

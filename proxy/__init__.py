"""The gateway: all input and output, and the HTTP surface. The way of a chunk through it:

1. `server.protocol` reads the client's request. `api.endpoint` admits the client, parses the body
   (`formats.json_body`), validates it (`formats.openai_chat.validate`) and plans the request (`api.plan`):
   `routing` says which targets may serve it, and in which order.
2. `streaming.driver` owns the request until its one exit. It makes attempts until one serves. Each attempt has a
   policy chain, a call and a sink of its own (`streaming.execution`), and a provider's connection that is closed
   whatever happens (`streaming.attempt`). `api.endpoint` watches the client meanwhile.
3. `providers.native` sends the call in the provider's format (`providers.sending`). `providers.registry` has the
   facts of the formats. `providers.http.connection` gives the bytes of a chunk to `providers.answer`. While nobody
   waits, `providers.http.body` keeps them, and takes them out of their framing later (`providers.http.framing`).
   `formats.template` recognises an event that differs from the last one in its text alone. Any other goes through
   `formats.sse`. Both end at a decoder (`formats.openai_chat`, `formats.anthropic`, `formats.gemini`).
4. `streaming.pipeline` folds short events at once and long ones in pieces (`streaming.folding`). It notes what the
   bill needs (`accounting.ledger`, `policies.estimate`) and feeds the events to `policies.chain`. Until the answer has
   substance, they wait in `streaming.prelude`. The limits of `streaming.deadlines` begin anew with each chunk. What
   comes out goes to the sink (`streaming.sinks`), which encodes it (`formats.openai_chat.encode`).
5. `streaming.response` writes it to the client. There are no queues, so a slow client slows the provider.
6. At the end, whatever it is, `streaming.driver` closes the record: usage from `accounting.ledger`, then the access
   line, spans and metrics (`accounting.record`, `telemetry.watch`).

`app` wires it all. `gateway` is what endpoints share. `server` is uvicorn as the gateway needs it. `simulator` stands
in for the providers.
"""

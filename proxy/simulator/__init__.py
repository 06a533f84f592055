"""A stand-in for OpenAI, Anthropic and Gemini over real HTTP: for demos, tests, benchmarks and faults.

    async with Simulator() as sim:
        sim.answers["my-model"] = Answer("Hello", pace=0.02, fault=InjectedFault("drop", after=3))
        # point a client at sim.url + "/v1" (OpenAI), or at sim.url (Anthropic, Gemini)
        call = await sim.next_call()
        await call.left()  # the client's close, as the provider sees it

The map: `answers` (what is said) and `asks` (what was asked) know no provider; `models` and `names` choose an answer by
the model's name; `formats` tell it in a provider's wire format, from the `pieces` it was cut into; `script` fixes bytes
and times; `playback`, `connection` and `server` carry it out; `calls` are the record; `control` is the same over HTTP.
"""

from proxy.simulator.answers import Answer, InjectedFault, Tokens, ToolUse
from proxy.simulator.asks import Ask
from proxy.simulator.calls import Call
from proxy.simulator.server import Simulator

__all__ = ["Answer", "Ask", "Call", "InjectedFault", "Simulator", "Tokens", "ToolUse"]

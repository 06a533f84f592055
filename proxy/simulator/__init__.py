"""Simulator of OpenAI, Anthropic and Gemini over real HTTP, for demos, tests, benchmarks and faults.

    async with Simulator() as sim:
        sim.answers["my-model"] = Answer("Hello", pace=0.02, fault=InjectedFault("drop", after=3))
        # point a client at sim.url + "/v1" (OpenAI), or at sim.url (Anthropic, Gemini)
        call = await sim.next_call()
        await call.left()  # the client's close, as the provider sees it

The modules: `answers` (what is said) and `asks` (what was asked) know no provider. `models` and `names` choose an
answer by the model's name. `pieces` cuts it, and `formats` write it in a provider's wire format. `script` fixes bytes
and times. `playback`, `connection` and `server` send it. `calls` is the record. `control` does the same over HTTP.
"""

from proxy.simulator.answers import Answer, InjectedFault, Tokens, ToolUse
from proxy.simulator.asks import Ask
from proxy.simulator.calls import Call
from proxy.simulator.server import Simulator

__all__ = ["Answer", "Ask", "Call", "InjectedFault", "Simulator", "Tokens", "ToolUse"]

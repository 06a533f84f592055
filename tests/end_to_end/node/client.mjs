// OpenAI's client for Node against a gateway: `node client.mjs BASE_URL MODEL stream|whole|error|abort`.
// What it got goes to stdout as one line of JSON. After an abort it stays until stdin ends, so that whoever sees the
// provider's connection close knows that the abort closed it, not this process's end.
import OpenAI from "openai";

const [baseURL, model, scenario] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "client-key-0123456789", maxRetries: 0 });
const messages = [{ role: "user", content: "Hi" }];

const scenarios = {
  async stream() {
    const stream = await client.chat.completions.create({
      model, messages, stream: true, stream_options: { include_usage: true },
    });
    let text = "", finish = null, usage = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    return { text, finish, total_tokens: usage?.total_tokens };
  },

  async whole() {
    const { choices, usage, _request_id } = await client.chat.completions.create({ model, messages });
    const { message, finish_reason } = choices[0];
    return { text: message.content, finish: finish_reason, total_tokens: usage.total_tokens, id: _request_id };
  },

  async error() {
    try {
      return await scenarios.stream();
    } catch (error) {
      return { name: error.constructor.name, status: error.status, code: error.code, message: error.message };
    }
  },

  async abort() {
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const stream = await client.chat.completions.create({ model, messages, stream: true }, options);
    let chunks = 0;
    for await (const _ of stream) {
      if (++chunks === 3) controller.abort();
    }
    return { chunks, aborted: controller.signal.aborted };
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
if (scenario === "abort") {
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.on("end", resolve));
}

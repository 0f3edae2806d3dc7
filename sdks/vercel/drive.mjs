// Asks what test_vercel.py wants asked, with the Vercel AI SDK, and prints what came of it: one JSON object.
// node drive.mjs '{"face": "chat", "url": ..., "key": ..., "model": ..., ...}'
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, isStepCount, Output, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const wanted = JSON.parse(process.argv[2]);
const person = z.object({ name: z.string(), age: z.int() });
const weather = tool({
  description: 'The weather there.',
  inputSchema: z.object({ city: z.string(), days: z.int() }),
  execute: async () => wanted.told,
});

function connect({ key = wanted.key, model = wanted.model } = {}) {
  if (wanted.face === 'messages') return createAnthropic({ baseURL: wanted.url, apiKey: key })(model);
  const openai = createOpenAI({ baseURL: wanted.url, apiKey: key });
  return wanted.face === 'chat' ? openai.chat(model) : openai.responses(model);
}

const base = { maxRetries: 0, prompt: wanted.question };
const steps = (isStepCount ?? stepCountIs)(3);

// Without a store of responses a client sends every item itself, thoughts that the provider signed among them.
const unstored = wanted.face === 'responses' ? { providerOptions: { openai: { store: false } } } : {};

async function fault(ask) {
  try {
    await ask();
    return null;
  } catch (error) {
    return { status: error.statusCode ?? null, message: error.message, name: error.name };
  }
}

async function streamed(asked) {
  const result = streamText({ ...base, ...asked, onError() {} });
  let text = '';
  for await (const piece of result.textStream) text += piece;
  return { text, finish: await result.finishReason, usage: await result.usage };
}

const scenarios = {
  async answer() {
    const { text, finishReason, usage } = await generateText({ ...base, model: connect() });
    return { text, finish: finishReason, usage };
  },
  stream: () => streamed({ model: connect() }),
  async tool() {
    const { text, steps: made } = await generateText({
      ...base, ...unstored, model: connect(), tools: { weather }, stopWhen: steps,
    });
    return { text, inputs: made.flatMap((step) => step.toolCalls.map((call) => call.input)) };
  },
  toolStreamed: () => streamed({ ...unstored, model: connect(), tools: { weather }, stopWhen: steps }),
  toolStored: () => streamed({ model: connect(), tools: { weather }, stopWhen: steps }),
  async structured() {
    const { output } = await generateText({ ...base, model: connect(), output: Output.object({ schema: person }) });
    return output;
  },
  async structuredStreamed() {
    const result = streamText({ ...base, model: connect(), output: Output.object({ schema: person }) });
    for await (const _ of result.partialOutputStream);
    return await result.output;
  },
  unknownModel: () => fault(() => generateText({ ...base, model: connect({ model: wanted.unknown }) })),
  wrongKey: () => fault(() => generateText({ ...base, model: connect({ key: wanted.wrongKey }) })),
  badParameter: () => fault(() => generateText({ ...base, prompt: 'fail 400', model: connect() })),
  failed: () => fault(() => generateText({ ...base, prompt: 'fail 500', model: connect() })),
  async rateLimit() {
    const model = connect({ key: wanted.limitedKey });
    return await fault(async () => {
      await generateText({ ...base, model });
      await generateText({ ...base, model });
    });
  },
  async cancel() {
    const stop = new AbortController();
    const result = streamText({
      ...base, prompt: wanted.endless, model: connect(), abortSignal: stop.signal, onError() {},
    });
    let text = '';
    for await (const piece of result.textStream) {
      text += piece;
      if (text.length > 20) stop.abort();
    }
    return { text };
  },
};

const found = {};
for (const [name, run] of Object.entries(scenarios)) {
  try {
    found[name] = await run();
  } catch (error) {
    found[name] = { thrown: String(error?.stack ?? error) };
  }
}
console.log(JSON.stringify(found));
process.exit(0);

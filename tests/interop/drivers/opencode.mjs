// opencode in a full loop; the steps are its model, served from loopback, and judge what a model gets to see.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { nextTurn, serve } from "./model.mjs";
import { environment, facts, headers, server, url, walk } from "./steps.mjs";

const PREFIX = "seedance_";
const declared = (body) => (body.tools ?? []).map((tool) => tool.function).filter(({ name }) => name.startsWith(PREFIX));
const chunk = (delta, finish_reason) => ({ id: "1", object: "chat.completion.chunk", created: 1, model: "stub", choices: [{ index: 0, delta, finish_reason }] });
const part = (delta, reason) => [chunk({ role: "assistant", ...delta }, null), chunk({}, reason)];
const ask = (id, name, given) => part({ tool_calls: [{ index: 0, id, type: "function", function: { name, arguments: JSON.stringify(given) } }] }, "tool_calls");

const model = await serve(/\/chat\/completions$/, (body) => declared(body).length > 0, part({ content: "ok" }, "stop"));
const home = `${process.env.HOME}/.config/opencode`;
mkdirSync(home, { recursive: true });
const seedance = url ? { type: "remote", url, headers, oauth: false } : { type: "local", command: [server], environment };
const stub = { npm: "@ai-sdk/openai-compatible", options: { baseURL: model.address, apiKey: "none" }, models: { stub: { tool_call: true, attachment: true, modalities: { input: ["text", "image"], output: ["text"] } } } };
writeFileSync(`${home}/opencode.json`, JSON.stringify({ mcp: { seedance }, provider: { stub }, autoupdate: false, share: "disabled" }));

const opencode = spawn("opencode", ["run", "--model", "stub/stub", "--auto", "go"], {
  stdio: ["ignore", "ignore", "inherit"],
  env: { ...process.env, OPENCODE_DISABLE_MODELS_FETCH: "true", OPENCODE_DISABLE_AUTOUPDATE: "true", OPENCODE_DISABLE_LSP_DOWNLOAD: "true" },
});
process.on("exit", () => opencode.kill("SIGKILL"));
const ended = once(opencode, "exit").then(([code]) => code && process.exit(code));

let turn = await nextTurn();
let count = 0;
const call = async (tool, given) => {
  const id = `call_${(count += 1)}`;
  turn.say(ask(id, PREFIX + tool, given));
  turn = await nextTurn();
  const place = turn.body.messages.findIndex((message) => message.tool_call_id === id);
  const { content } = turn.body.messages[place];
  const raw = turn.body.messages.slice(place); // a picture may come in a message of its own
  return { isError: content.includes("code: "), content: [{ text: content }], structuredContent: facts(content), raw };
};
const tools = declared(turn.body).map((tool) => ({ name: tool.name.slice(PREFIX.length), inputSchema: tool.parameters }));
await walk(tools, call, { listed: declared(turn.body) });
turn.say(part({ content: "done" }, "stop"));
await ended;
model.stop();

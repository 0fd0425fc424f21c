// Copilot CLI in a full loop, offline; the steps are its model, served from loopback, and judge what a model gets to see.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { nextTurn, serve } from "./model.mjs";
import { environment, facts, headers, server, url, walk } from "./steps.mjs";

const PREFIX = "seedance-";
const declared = (body) => (body.tools ?? []).map((tool) => tool.function).filter(({ name }) => name.startsWith(PREFIX));
const chunk = (delta, finish_reason) => ({ id: "1", object: "chat.completion.chunk", created: 1, model: "stub", choices: [{ index: 0, delta, finish_reason }] });
const part = (delta, reason) => [chunk({ role: "assistant", ...delta }, null), chunk({}, reason)];
const ask = (id, name, given) => part({ tool_calls: [{ index: 0, id, type: "function", function: { name, arguments: JSON.stringify(given) } }] }, "tool_calls");

const model = await serve(/\/chat\/completions$/, (body) => declared(body).length > 0, part({ content: "ok" }, "stop"));
const target = url ? { type: "http", url, headers } : { type: "local", command: server, args: [], env: environment };
const config = JSON.stringify({ mcpServers: { seedance: { ...target, tools: ["*"] } } });
const copilot = spawn("copilot", ["-p", "go", "--allow-all-tools", "--disable-builtin-mcps", "--additional-mcp-config", config], {
  stdio: ["ignore", "ignore", "inherit"],
  env: { ...process.env, COPILOT_OFFLINE: "true", COPILOT_PROVIDER_BASE_URL: model.address, COPILOT_MODEL: "gpt-4.1", COPILOT_AUTO_UPDATE: "false" },
});
process.on("exit", () => copilot.kill("SIGKILL"));
const ended = once(copilot, "exit").then(([code]) => code && process.exit(code));

let turn = await nextTurn();
let count = 0;
const call = async (tool, given) => {
  const id = `call_${(count += 1)}`;
  turn.say(ask(id, PREFIX + tool, given));
  turn = await nextTurn();
  const place = turn.body.messages.findIndex((message) => message.tool_call_id === id);
  const raw = turn.body.messages.slice(place); // a picture may come in a message of its own
  const { content } = raw[0];
  const text = typeof content === "string" ? content : content.map((each) => each.text ?? "").join("");
  return { isError: text.includes("code: "), content: [{ text }], structuredContent: facts(text), raw };
};
const tools = declared(turn.body).map((tool) => ({ name: tool.name.slice(PREFIX.length), inputSchema: tool.parameters }));
await walk(tools, call, { listed: declared(turn.body) });
turn.say(part({ content: "done" }, "stop"));
await ended;
model.stop();

// Cline's command line in a full loop; the steps are its model, served from loopback, and judge what a model gets to see.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { nextTurn, serve } from "./model.mjs";
import { environment, headers, server, url, walk } from "./steps.mjs";

const PREFIX = "seedance__";
const declared = (body) => (body.tools ?? []).map((tool) => tool.function).filter(({ name }) => name.startsWith(PREFIX));
const chunk = (delta, finish_reason) => ({ id: "1", object: "chat.completion.chunk", created: 1, model: "stub", choices: [{ index: 0, delta, finish_reason }] });
const part = (delta, reason) => [chunk({ role: "assistant", ...delta }, null), chunk({}, reason)];
const ask = (id, name, given) => part({ tool_calls: [{ index: 0, id, type: "function", function: { name, arguments: JSON.stringify(given) } }] }, "tool_calls");

const model = await serve(/\/chat\/completions$/, (body) => declared(body).length > 0, part({ content: "ok" }, "stop"));
const data = `${process.env.HOME}/.cline/data`;
mkdirSync(`${data}/settings`, { recursive: true });
const target = url ? { type: "streamableHttp", url, headers } : { command: server, args: [], env: environment };
writeFileSync(`${data}/settings/cline_mcp_settings.json`, JSON.stringify({ mcpServers: { seedance: target } }));
const found = `${process.env.HOME}/hub.json`; // without a way to find it, no hub is started that would live on
const quiet = { ...process.env, CLINE_NO_AUTO_UPDATE: "1", CLINE_HUB_DISCOVERY_PATH: found };
spawnSync("cline", ["auth", "-p", "openai-compatible", "-k", "none", "-m", "stub", "-b", `${model.address}/v1`], { stdio: ["ignore", "ignore", "inherit"], env: quiet });
const cline = spawn("cline", ["--json", "-P", "openai-compatible", "-m", "stub", "make a video"], { stdio: ["ignore", "ignore", "inherit"], env: quiet });
process.on("exit", () => cline.kill("SIGKILL"));
const ended = once(cline, "exit").then(([code]) => code && process.exit(code));

let turn = await nextTurn();
let count = 0;
const call = async (tool, given) => {
  const id = `call_${(count += 1)}`;
  turn.say(ask(id, PREFIX + tool, given));
  turn = await nextTurn();
  const place = turn.body.messages.findIndex((message) => message.tool_call_id === id);
  const raw = turn.body.messages.slice(place); // a picture may come in a message of its own
  const { content } = raw[0];
  const text = typeof content === "string" ? content : content[0].text; // the whole result in JSON, a long one cut in the middle
  return { ...(tool === "preview_video" ? {} : JSON.parse(text)), raw };
};
const tools = declared(turn.body).map((tool) => ({ name: tool.name.slice(PREFIX.length), inputSchema: tool.parameters }));
await walk(tools, call, { listed: declared(turn.body) });
turn.say(part({ content: "done" }, "stop"));
await ended;
model.stop();

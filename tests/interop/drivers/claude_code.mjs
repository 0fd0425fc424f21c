// Claude Code in a full loop; the steps are its model, served from loopback, and judge what a model gets to see.

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { environment, server, walk } from "./steps.mjs";

const PREFIX = "mcp__seedance__";
const turns = [];
const listeners = [];
const nextTurn = () => new Promise((resolve) => (turns.length ? resolve(turns.shift()) : listeners.push(resolve)));
const offer = (turn) => (listeners.length ? listeners.shift()(turn) : turns.push(turn));

const events = (block) => {
  const [start, delta] =
    block.type === "text"
      ? [{ ...block, text: "" }, { type: "text_delta", text: block.text }]
      : [{ ...block, input: {} }, { type: "input_json_delta", partial_json: JSON.stringify(block.input) }];
  const usage = { input_tokens: 1, output_tokens: 1 };
  const message = { id: "msg_1", type: "message", role: "assistant", model: "stub", content: [], stop_reason: null, stop_sequence: null, usage };
  return [
    { type: "message_start", message },
    { type: "content_block_start", index: 0, content_block: start },
    { type: "content_block_delta", index: 0, delta },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: block.type === "text" ? "end_turn" : "tool_use", stop_sequence: null }, usage },
    { type: "message_stop" },
  ];
};

const stub = createServer(async (request, response) => {
  if (request.method !== "POST" || !request.url.startsWith("/v1/messages?") && request.url !== "/v1/messages") {
    response.writeHead(404, { "content-type": "application/json" }).end("{}");
    return;
  }
  const body = await json(request);
  const say = (block) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(events(block).map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""));
  };
  if (body.tools?.some(({ name }) => name.startsWith(PREFIX))) offer({ body, say });
  else say({ type: "text", text: "ok" });
});
await new Promise((resolve) => stub.listen(0, "127.0.0.1", resolve));

const config = { mcpServers: { seedance: { command: server, args: [], env: environment } } };
const given = ["-p", "go", "--mcp-config", JSON.stringify(config), "--strict-mcp-config", "--allowedTools", "mcp__seedance"];
const claude = spawn("claude", [...given, "--output-format", "stream-json", "--verbose"], {
  stdio: ["ignore", "ignore", "inherit"],
  env: {
    ...process.env,
    ANTHROPIC_BASE_URL: `http://127.0.0.1:${stub.address().port}`,
    ANTHROPIC_API_KEY: "none",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
    DISABLE_ERROR_REPORTING: "1",
    ENABLE_TOOL_SEARCH: "false",
  },
});
claude.on("exit", (code) => code && process.exit(code));

try {
  let turn = await nextTurn();
  let count = 0;
  const call = async (tool, input) => {
    const id = `toolu_${(count += 1)}`;
    turn.say({ type: "tool_use", id, name: PREFIX + tool, input });
    turn = await nextTurn();
    const shown = turn.body.messages.flatMap(({ content }) => content).find((block) => block.tool_use_id === id);
    const text = typeof shown.content === "string" ? shown.content : shown.content.map((block) => block.text).join("");
    if (process.env.INTEROP_SHOW) console.error(tool, JSON.stringify(shown));
    return { isError: shown.is_error === true, content: [{ text }], structuredContent: shown.is_error ? undefined : JSON.parse(text) };
  };
  const tools = turn.body.tools.filter(({ name }) => name.startsWith(PREFIX));
  await walk(tools.map(({ name, input_schema }) => ({ name: name.slice(PREFIX.length), inputSchema: input_schema })), call);
  turn.say({ type: "text", text: "done" });
} finally {
  claude.kill();
  stub.close();
  stub.closeAllConnections();
}

// Claude Code in a full loop; the steps are its model, served from loopback, and judge what a model gets to see.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { nextTurn, serve } from "./model.mjs";
import { environment, facts, headers, server, url, walk } from "./steps.mjs";

const PREFIX = "mcp__seedance__";
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

const isTurn = ({ tools }) => tools?.some(({ name }) => name.startsWith(PREFIX));
const model = await serve(/^\/v1\/messages(\?|$)/, isTurn, events({ type: "text", text: "ok" }));
const seedance = url ? { type: "http", url, headers } : { command: server, args: [], env: environment };
const config = { mcpServers: { seedance } };
const given = ["-p", "go", "--mcp-config", JSON.stringify(config), "--strict-mcp-config", "--allowedTools", "mcp__seedance"];
const claude = spawn("claude", [...given, "--output-format", "stream-json", "--verbose"], {
  stdio: ["ignore", "ignore", "inherit"],
  env: {
    ...process.env,
    ANTHROPIC_BASE_URL: model.address,
    ANTHROPIC_API_KEY: "none",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
    DISABLE_ERROR_REPORTING: "1",
    ENABLE_TOOL_SEARCH: "false",
  },
});
process.on("exit", () => claude.kill("SIGKILL"));
const ended = once(claude, "exit").then(([code]) => code && process.exit(code));

let turn = await nextTurn();
let count = 0;
const call = async (tool, input) => {
  const id = `toolu_${(count += 1)}`;
  turn.say(events({ type: "tool_use", id, name: PREFIX + tool, input }));
  turn = await nextTurn();
  const shown = turn.body.messages.flatMap(({ content }) => content).find((block) => block.tool_use_id === id);
  const text = typeof shown.content === "string" ? shown.content : shown.content.map((block) => block.text).join("");
  return { isError: shown.is_error === true, content: [{ text }], structuredContent: facts(text), raw: shown };
};
const tools = turn.body.tools.filter(({ name }) => name.startsWith(PREFIX));
await walk(tools.map(({ name, input_schema }) => ({ name: name.slice(PREFIX.length), inputSchema: input_schema })), call, { listed: tools });
turn.say(events({ type: "text", text: "done" }));
await ended;
model.stop();

// Codex in a full loop; the steps are its model, served from loopback, and judge what a model gets to see.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { nextTurn, serve } from "./model.mjs";
import { environment, facts, server, url, walk } from "./steps.mjs";

const NAMESPACE = "mcp__seedance";
const declared = (body) => (body.tools ?? []).find(({ name }) => name === NAMESPACE)?.tools ?? [];
const usage = { input_tokens: 1, input_tokens_details: null, output_tokens: 1, output_tokens_details: null, total_tokens: 2 };
const events = (item) => [
  { type: "response.created", response: { id: "resp_1" } },
  { type: "response.output_item.done", output_index: 0, item },
  { type: "response.completed", response: { id: "resp_1", usage } },
];
const words = (text) => events({ type: "message", role: "assistant", id: "msg_1", content: [{ type: "output_text", text }] });

const home = `${process.env.HOME}/.codex`;
mkdirSync(home, { recursive: true });
const variables = Object.entries(environment).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
const started = `command = ${JSON.stringify(server)}\nenv = { ${variables.join(", ")} }`;
const reached = `url = ${JSON.stringify(url)}\nbearer_token_env_var = "INTEROP_TOKEN"`;
const model = await serve(/^\/v1\/responses$/, (body) => declared(body).length > 0, words("ok"));
writeFileSync(
  `${home}/config.toml`,
  `model = "stub"
model_provider = "stub"
[model_providers.stub]
name = "stub"
base_url = "${model.address}/v1"
wire_api = "responses"
[analytics]
enabled = false
[mcp_servers.seedance]
${url ? reached : started}
`,
);

const codex = spawn("codex", ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "go"], {
  stdio: ["ignore", "ignore", "inherit"],
  env: { ...process.env, CODEX_HOME: home },
});
process.on("exit", () => codex.kill("SIGKILL"));
const ended = once(codex, "exit").then(([code]) => code && process.exit(code));

let turn = await nextTurn();
let count = 0;
const call = async (name, given) => {
  const call_id = `call_${(count += 1)}`;
  turn.say(events({ type: "function_call", id: `fc_${count}`, call_id, namespace: NAMESPACE, name, arguments: JSON.stringify(given) }));
  turn = await nextTurn();
  const raw = turn.body.input.find((item) => item.type === "function_call_output" && item.call_id === call_id);
  const parts = typeof raw.output === "string" ? [{ text: raw.output }] : raw.output;
  const text = parts.map((part) => part.text ?? "").join("").replace(/^Wall time: .*\nOutput:\n/, "");
  const structuredContent = facts(text);
  return { isError: Boolean(structuredContent.error && !structuredContent.task_id), content: [{ text }], structuredContent, raw };
};
const tools = declared(turn.body).map(({ name, parameters }) => ({ name, inputSchema: parameters }));
await walk(tools, call, { listed: declared(turn.body) });
turn.say(words("done"));
await ended;
model.stop();

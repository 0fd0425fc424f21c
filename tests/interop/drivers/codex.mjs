// Codex as its own program runs it: `codex app-server`, without a model or a login.

import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { environment, server, url, walk } from "./steps.mjs";

const home = `${process.env.HOME}/.codex`;
mkdirSync(home, { recursive: true });
const variables = Object.entries(environment).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
const started = `command = ${JSON.stringify(server)}\nenv = { ${variables.join(", ")} }`;
const reached = `url = ${JSON.stringify(url)}\nbearer_token_env_var = "INTEROP_TOKEN"`;
writeFileSync(
  `${home}/config.toml`,
  `model_provider = "nobody"
[model_providers.nobody]
name = "nobody"
base_url = "http://127.0.0.1:9/v1"
[analytics]
enabled = false
[mcp_servers.seedance]
${url ? reached : started}
`,
);

const codex = spawn("codex", ["app-server"], { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, CODEX_HOME: home } });
const waiting = new Map();
createInterface({ input: codex.stdout }).on("line", (line) => {
  const { id, result, error } = JSON.parse(line);
  const settle = waiting.get(id);
  if (settle && (result || error)) settle(error ? Promise.reject(new Error(JSON.stringify(error))) : result);
});

const ask = (method, params) => {
  const id = waiting.size + 1;
  const answer = new Promise((resolve) => waiting.set(id, resolve));
  codex.stdin.write(`${JSON.stringify({ id, method, params })}\n`);
  return answer;
};

try {
  await ask("initialize", { clientInfo: { name: "interop", title: "Interop", version: "1" } });
  codex.stdin.write(`${JSON.stringify({ method: "initialized" })}\n`);
  const { thread } = await ask("thread/start", { cwd: process.env.HOME });
  const { data } = await ask("mcpServerStatus/list", { threadId: thread.id });
  const { tools } = data.find(({ name }) => name === "seedance");
  await walk(Object.values(tools), (tool, given) =>
    ask("mcpServer/tool/call", { threadId: thread.id, server: "seedance", tool, arguments: given }),
  );
} finally {
  codex.kill();
}

// Copilot CLI in a full loop, offline; the steps are its model, served from loopback, and judge what a model gets to see.

import { spawn } from "node:child_process";
import { chatModel } from "./chat_completions.mjs";
import { environment, facts, headers, server, url } from "./steps.mjs";

const model = await chatModel("seedance-");
const target = url ? { type: "http", url, headers } : { type: "local", command: server, args: [], env: environment };
const config = JSON.stringify({ mcpServers: { seedance: { ...target, tools: ["*"] } } });
const copilot = spawn("copilot", ["-p", "go", "--allow-all-tools", "--disable-builtin-mcps", "--additional-mcp-config", config], {
  stdio: ["ignore", "ignore", "inherit"],
  env: { ...process.env, COPILOT_OFFLINE: "true", COPILOT_PROVIDER_BASE_URL: model.address, COPILOT_MODEL: "gpt-4.1", COPILOT_AUTO_UPDATE: "false" },
});
await model.lead(copilot, (content) => {
  const text = typeof content === "string" ? content : content.map((each) => each.text ?? "").join("");
  return { isError: text.includes("code: "), content: [{ text }], structuredContent: facts(text) };
});

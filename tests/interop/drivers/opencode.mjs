// opencode in a full loop; the steps are its model, served from loopback, and judge what a model gets to see.

import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { chatModel } from "./chat_completions.mjs";
import { environment, facts, headers, server, url } from "./steps.mjs";

const model = await chatModel("seedance_");
const home = `${process.env.HOME}/.config/opencode`;
mkdirSync(home, { recursive: true });
const seedance = url ? { type: "remote", url, headers, oauth: false } : { type: "local", command: [server], environment };
const stub = { npm: "@ai-sdk/openai-compatible", options: { baseURL: model.address, apiKey: "none" }, models: { stub: { tool_call: true, attachment: true, modalities: { input: ["text", "image"], output: ["text"] } } } };
writeFileSync(`${home}/opencode.json`, JSON.stringify({ mcp: { seedance }, provider: { stub }, autoupdate: false, share: "disabled" }));

const opencode = spawn("opencode", ["run", "--model", "stub/stub", "--auto", "go"], {
  stdio: ["ignore", "ignore", "inherit"],
  env: { ...process.env, OPENCODE_DISABLE_MODELS_FETCH: "true", OPENCODE_DISABLE_AUTOUPDATE: "true", OPENCODE_DISABLE_LSP_DOWNLOAD: "true" },
});
await model.lead(opencode, (text) => ({ isError: text.includes("code: "), content: [{ text }], structuredContent: facts(text) }));

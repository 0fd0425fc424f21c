// Gemini CLI in a full loop; the steps are its model, served from loopback, and judge what a model gets to see.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { nextTurn, serve } from "./model.mjs";
import { environment, facts, headers, server, url, walk } from "./steps.mjs";

const PREFIX = "mcp_seedance_";
const declared = (body) => (body.tools ?? []).flatMap((tool) => tool.functionDeclarations ?? []).filter(({ name }) => name.startsWith(PREFIX));
const part = (content) => [{ candidates: [{ content: { role: "model", parts: [content] }, finishReason: "STOP", index: 0 }] }];

const home = `${process.env.HOME}/.gemini`;
mkdirSync(home, { recursive: true });
const target = url ? { httpUrl: url, headers } : { command: server, env: environment };
const mcpServers = { seedance: { ...target, trust: true } };
const security = { auth: { selectedType: "gemini-api-key" } };
writeFileSync(`${home}/settings.json`, JSON.stringify({ mcpServers, security, privacy: { usageStatisticsEnabled: false } }));

const model = await serve(/:streamGenerateContent/, (body) => declared(body).length > 0, part({ text: "ok" }));
const gemini = spawn("gemini", ["-m", "gemini-2.5-flash", "--approval-mode", "yolo", "-p", "go"], {
  stdio: ["ignore", "ignore", "inherit"],
  env: { ...process.env, GEMINI_API_KEY: "none", GOOGLE_GEMINI_BASE_URL: model.address, GEMINI_CLI_TRUST_WORKSPACE: "true", GEMINI_CLI_NO_RELAUNCH: "true", HTTP_PROXY: model.address, HTTPS_PROXY: model.address },
});
process.on("exit", () => gemini.kill("SIGKILL"));
const ended = once(gemini, "exit").then(([code]) => code && process.exit(code));

let turn = await nextTurn();
const call = async (tool, args) => {
  turn.say(part({ functionCall: { name: PREFIX + tool, args } }));
  turn = await nextTurn();
  const { response } = turn.body.contents.at(-1).parts.find((each) => each.functionResponse).functionResponse;
  const text = response.error ?? response.output;
  return { isError: "error" in response, content: [{ text }], structuredContent: facts(text), raw: turn.body.contents.at(-1) };
};
const tools = declared(turn.body).map((tool) => ({ name: tool.name.slice(PREFIX.length), inputSchema: tool.parametersJsonSchema ?? tool.parameters }));
const bad = { model: "sd2_mx_720p", duration: 15 }; // Gemini CLI itself refuses what breaks the listed schema
await walk(tools, call, { bad, listed: declared(turn.body) });
turn.say(part({ text: "done" }));
await ended;
model.stop();

// Cline's command line in a full loop; the steps are its model, served from loopback, and judge what a model gets to see.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { chatModel } from "./chat_completions.mjs";
import { environment, headers, server, url } from "./steps.mjs";

const model = await chatModel("seedance__");
const data = `${process.env.HOME}/.cline/data`;
mkdirSync(`${data}/settings`, { recursive: true });
const target = url ? { type: "streamableHttp", url, headers } : { command: server, args: [], env: environment };
writeFileSync(`${data}/settings/cline_mcp_settings.json`, JSON.stringify({ mcpServers: { seedance: target } }));
const found = `${process.env.HOME}/hub.json`;
process.on("exit", () => existsSync(found) && process.kill(JSON.parse(readFileSync(found)).pid, "SIGKILL")); // Cline's hub would live on
const quiet = { ...process.env, CLINE_NO_AUTO_UPDATE: "1", CLINE_HUB_DISCOVERY_PATH: found };
spawnSync("cline", ["auth", "-p", "openai-compatible", "-k", "none", "-m", "stub", "-b", `${model.address}/v1`], { stdio: ["ignore", "ignore", "inherit"], env: quiet });
const cline = spawn("cline", ["--json", "-P", "openai-compatible", "-m", "stub", "make a video"], { stdio: ["ignore", "ignore", "inherit"], env: quiet });
await model.lead(cline, (content, tool) => {
  const text = typeof content === "string" ? content : content[0].text; // the whole result in JSON, a long one cut in the middle
  return tool === "preview_video" ? {} : JSON.parse(text);
});

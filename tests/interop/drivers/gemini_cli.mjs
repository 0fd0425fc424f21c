// Gemini CLI's own health check; without a login it calls no tool.

import { mkdirSync, writeFileSync } from "node:fs";
import { environment, run, server, tell } from "./steps.mjs";

const home = `${process.env.HOME}/.gemini`;
mkdirSync(home, { recursive: true });
const mcpServers = { seedance: { command: server, env: environment } };
writeFileSync(`${home}/settings.json`, JSON.stringify({ mcpServers, privacy: { usageStatisticsEnabled: false } }));
process.env.GEMINI_CLI_TRUST_WORKSPACE = "true";

const { stdout, stderr } = await run("gemini", ["mcp", "list"]);
if (!/✓ seedance.*Connected/.test(stdout + stderr)) throw new Error(stdout + stderr);
tell({});

// opencode's own health check; without a model it calls no tool.

import { mkdirSync, writeFileSync } from "node:fs";
import { environment, run, server, tell } from "./steps.mjs";

const home = `${process.env.HOME}/.config/opencode`;
mkdirSync(home, { recursive: true });
const mcp = { seedance: { type: "local", command: [server], environment } };
writeFileSync(`${home}/opencode.json`, JSON.stringify({ mcp, autoupdate: false, share: "disabled" }));
process.env.OPENCODE_DISABLE_MODELS_FETCH = "true";
process.env.OPENCODE_DISABLE_AUTOUPDATE = "true";

const { stdout, stderr } = await run("opencode", ["mcp", "list"]);
if (!/✓.*seedance.*connected/.test(stdout + stderr)) throw new Error(stdout + stderr);
tell({});

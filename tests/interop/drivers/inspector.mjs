// The command line of the MCP Inspector in one era; over stdio it starts a server for every call.

import { provider, run, server, token, url, walk } from "./steps.mjs";

const REFUSED = 5;
const { settings, stop } = await provider();
const variables = Object.entries(settings).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
const target = url ? ["--transport", "http", "--server-url", url, "--header", `Authorization: Bearer ${token}`] : [...variables, server];

const inspect = async (...given) => {
  const { code, stdout, stderr } = await run("mcp-inspector", ["--cli", ...target, "--protocol-era", process.argv[2], ...given]);
  if (![0, REFUSED].includes(code)) throw new Error(`exit ${code}\n${stdout}\n${stderr}`);
  return JSON.parse(stdout);
};

const call = (name, given) => {
  const pairs = Object.entries(given).map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return inspect("--method", "tools/call", "--tool-name", name, ...pairs.flatMap((pair) => ["--tool-arg", pair]));
};

try {
  const { tools } = await inspect("--method", "tools/list", "--strict");
  await walk(tools, call);
} finally {
  stop();
}

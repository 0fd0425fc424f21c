// The command line of mcporter; it starts a server for every call.

import { provider, run, server, walk } from "./steps.mjs";

const { settings, stop } = await provider();
const target = ["--stdio", server, "--name", "seedance", ...Object.entries(settings).flatMap(([name, value]) => ["--env", `${name}=${value}`])];

const call = async (name, given) => {
  const { code, stdout, stderr } = await run("mcporter", ["call", ...target, name, "--args", JSON.stringify(given), "--output", "json"]);
  if (code) return { isError: true, content: [{ text: stdout + stderr }] };
  return { isError: false, content: [{ text: stdout }], structuredContent: JSON.parse(stdout) };
};

try {
  const { stdout } = await run("mcporter", ["list", ...target, "--json"]);
  await walk(JSON.parse(stdout).tools, call);
} finally {
  stop();
}

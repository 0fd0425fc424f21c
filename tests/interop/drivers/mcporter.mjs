// The command line of mcporter; over stdio it starts a server for every call.

import { provider, run, server, token, url, walk } from "./steps.mjs";

const { settings, stop } = await provider();
const started = ["--stdio", server, ...Object.entries(settings).flatMap(([name, value]) => ["--env", `${name}=${value}`])];
const reached = ["--http-url", url, "--allow-http", "--header", `Authorization=Bearer ${token}`];
const target = ["--name", "seedance", ...(url ? reached : started)];

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

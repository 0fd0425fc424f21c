// What every Node client does with the server, whatever its SDK calls it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";

export const server = process.env.INTEROP_SERVER;
export const url = process.env.INTEROP_URL; // without one the client starts the server itself
export const token = process.env.INTEROP_TOKEN;
export const headers = { Authorization: `Bearer ${token}` };
export const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("SEEDANCE_")));

const request = (tool, given) => {
  const fields = { model: "seedance2.0-fast-i2v", prompt: "a fox in the snow", ...given };
  return "request" in tool.inputSchema.properties ? { request: fields } : fields;
};

const fact = (result, name) => {
  if (result.isError) throw new Error(result.content[0].text);
  return result.structuredContent[name];
};

// What a result says in words, for clients that show a model the text alone.
export const facts = (words) => (words.startsWith("{") ? JSON.parse(words) : Object.fromEntries(words.split("\n").map((line) => line.split(/: (.*)/, 2))));

const isFilm = async (url) => {
  const film = Buffer.from(await (await fetch(url)).arrayBuffer());
  return film.subarray(4, 8).toString() === "ftyp";
};

export const tell = (seen) => console.log(JSON.stringify({ connects: true, ...seen }));

// What a model behind an agent is shown after the video: a preview, a refusal, and a request above the price that a user is to agree to.
const journey = async (call, creator, task_id, refused) => {
  const preview = await call("preview_video", { task_id });
  const asked = await call("create_video", request(creator, { model: "sd2_mx_720p", duration: 12 }));
  return { preview: preview.raw, refused: refused.raw, asked: asked.raw };
};

// Call each tool that a video takes and print the line; `call(name, arguments)` gives the raw result, `bad` is to be refused; `listed` is what a model is shown of the tools, where there is one.
export const walk = async (tools, call, { bad = { duration: 99 }, listed } = {}) => {
  const creator = tools.find((tool) => tool.name === "create_video");
  const models = await call("list_models", { route: "fast-i2v" });
  const made = await call("create_video", request(creator, { duration: 1 }));
  const task_id = fact(made, "task_id");
  const done = await call("wait_for_video", { task_id });
  const video = fact(done, "status") === "completed" && (await isFilm(fact(done, "video_url")));
  const refused = await call("create_video", request(creator, bad));
  tell({
    lists: tools.length,
    calls: !models.isError && models.content[0].text.includes("seedance2.0-fast-i2v"),
    video,
    error: refused.isError ? refused.content[0].text : "",
    shown: listed && { listed, ...(await journey(call, creator, task_id, refused)) },
  });
};

// Start the provider's imitation on its own, for clients that start a server for every call; a server that is reached has its own.
export const provider = async () => {
  if (url) return { settings: {}, stop: () => {} };
  const imitation = spawn(server, ["sandbox", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const { value: line } = await createInterface({ input: imitation.stdout })[Symbol.asyncIterator]().next();
  const settings = Object.fromEntries(line.split(" ").map((setting) => setting.split("=", 2)));
  const { SEEDANCE_SANDBOX, ...others } = environment;
  delete process.env.SEEDANCE_SANDBOX;
  return { settings: { ...others, ...settings }, stop: () => imitation.kill() };
};

// Run a program to its end.
export const run = async (program, given) => {
  const child = spawn(program, given, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await ended;
  return { code, stdout, stderr };
};

// A chat that shows pages: the server over stdio, the official client, and a real browser around the reference bridge.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import axe from "axe-core";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const { BROWSER, PYTHON, ARTEFACTS } = process.env;
const FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
const EXTENSION = "io.modelcontextprotocol/ui";
const MIME = "text/html;profile=mcp-app";
export const EVERYTHING = { serverTools: {}, openLinks: {}, downloadFile: {}, message: { text: {} } };
export const REQUEST = { model: "seedance2.0-sp", prompt: "A fox trots through fresh snow, low winter sun", duration: 4, resolution: "480p", ratio: "16:9" };

const settings = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("SEEDANCE_")));

// What hosts make of a resource's declared domains (Apps 2026-01-26).
const policyOf = ({ resourceDomains = [], connectDomains = [] }) => {
  const hosts = ["'self'", ...resourceDomains].join(" ");
  return [
    "default-src 'none'",
    `script-src ${hosts} 'unsafe-inline'`,
    `style-src ${hosts} 'unsafe-inline'`,
    `img-src ${hosts} data:`,
    `font-src ${hosts}`,
    `media-src ${hosts} data:`,
    `connect-src ${connectDomains.join(" ") || "'none'"}`,
    "frame-src 'none'",
    "object-src 'none'",
    "base-uri 'self'",
  ].join("; ");
};

export const provider = async (...faults) => {
  const imitation = spawn(PYTHON, ["-m", "seedance_mcp", "sandbox", "--port", "0", ...faults.flatMap((fault) => ["--fault", fault])], { stdio: ["ignore", "pipe", "inherit"] });
  const { value: line } = await createInterface({ input: imitation.stdout })[Symbol.asyncIterator]().next();
  return { given: { SEEDANCE_SANDBOX: "0", ...Object.fromEntries(line.split(" ").map((pair) => pair.split("=", 2))) }, stop: () => imitation.kill() };
};

export const open = async (given = {}) => {
  const client = new Client({ name: "chat", version: "1" }, { capabilities: { extensions: { [EXTENSION]: { mimeTypes: [MIME] } } }, versionNegotiation: { mode: "2026-07-28" } });
  await client.connect(new StdioClientTransport({ command: PYTHON, args: ["-m", "seedance_mcp"], env: { ...settings, ...given } }));
  assert.deepEqual(client.getServerCapabilities().extensions[EXTENSION], {});
  const { tools } = await client.listTools();
  const shown = tools.find((tool) => tool.name === "create_video")._meta.ui.resourceUri;
  const read = async () => (await client.readResource({ uri: shown })).contents[0];
  const host = await build({ entryPoints: [new URL("host.mjs", import.meta.url).pathname], bundle: true, format: "iife", write: false, logLevel: "error" });

  let view = await read();
  assert.equal(view.mimeType, MIME);
  const site = createServer((request, response) => {
    if (request.url === "/view") {
      return response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policyOf(view._meta.ui.csp) }).end(view.text);
    }
    if (request.url === "/host.js") return response.writeHead(200, { "Content-Type": "text/javascript" }).end(host.outputFiles[0].text);
    const style = "body{margin:0}iframe{border:0;width:100%;height:10px;display:block}";
    response.writeHead(200, { "Content-Type": "text/html" }).end(`<!doctype html><html lang="en"><title>chat</title><link rel="icon" href="data:,"><style>${style}</style><body><script src="/host.js"></script>`);
  });
  await new Promise((done) => site.listen(0, "127.0.0.1", done));
  const origin = `http://127.0.0.1:${site.address().port}`;

  const browser = await chromium.launch({ executablePath: BROWSER, args: FLAGS.split(" ") });
  const page = await (await browser.newContext({ locale: "en-GB", timezoneId: "UTC" })).newPage();
  page.setDefaultTimeout(20_000);
  const chat = { client, tools, browser, page, asked: [], left: new Set(), faults: [], answers: {} };
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.origin !== origin) chat.left.add(url.origin);
  });
  page.on("requestfailed", (request) => {
    if (request.failure().errorText.includes("csp")) chat.left.delete(new URL(request.url()).origin);
  });
  page.on("pageerror", (error) => chat.faults.push(String(error)));

  // As a host must: only tools that the page may see, and nothing else reaches the server.
  const relay = async (method, params) => {
    chat.asked.push({ method, params });
    const scripted = chat.answers[params.name ?? method];
    if (scripted) return scripted(params);
    if (method === "ui/request-display-mode") return { mode: params.mode };
    if (method !== "tools/call") return {};
    const tool = tools.find((each) => each.name === params.name);
    assert.ok((tool?._meta?.ui?.visibility ?? ["app"]).includes("app"), `the page may not call ${params.name}`);
    return client.callTool(params);
  };
  await page.exposeFunction("relay", relay);

  chat.mount = async ({ capabilities = EVERYTHING, context = {}, width = 1200, fresh = false } = {}) => {
    if (fresh) view = await read();
    await page.setViewportSize({ width, height: 900 });
    await page.goto(origin);
    await page.evaluate(([offered, told]) => window.mount(offered, told), [capabilities, { theme: "light", locale: "en-GB", timeZone: "UTC", ...context }]);
    chat.frame = page.frames().find((frame) => frame.url().endsWith("/view"));
    chat.asked.length = 0;
  };
  chat.say = (what, params) => page.evaluate(([name, value]) => window.bridge[name](value), [what, params]);
  chat.input = (given) => chat.say("sendToolInput", { arguments: given });
  chat.result = (result) => chat.say("sendToolResult", result);
  // One call as a chat makes it: the page is told what was asked, then what came.
  chat.call = async (name, given) => {
    await chat.input(given);
    const result = await client.callTool({ name, arguments: given });
    await chat.result(result);
    return result.structuredContent;
  };
  chat.finish = async (given = REQUEST) => {
    const made = await client.callTool({ name: "create_video", arguments: { request: given } });
    return client.callTool({ name: "wait_for_video", arguments: { task_id: made.structuredContent.task_id } });
  };
  chat.titled = (name) => chat.frame.getByRole("heading", { name, exact: true }).waitFor();
  chat.button = (name) => chat.frame.getByRole("button", { name, exact: true });
  chat.text = (id) => chat.frame.locator(`#${id}`).innerText();
  chat.noted = (start) => chat.frame.locator("#note", { hasText: start }).waitFor();
  chat.buttons = () => chat.frame.getByRole("button").allInnerTexts();
  chat.called = (method) => chat.asked.filter((each) => each.method === method).map((each) => each.params);

  // A picture for the person, and what a machine can tell of it: no rule broken, nothing cut off at this width.
  chat.look = async (name) => {
    mkdirSync(ARTEFACTS, { recursive: true });
    await page.locator("iframe").screenshot({ path: join(ARTEFACTS, `${name}.png`) });
    await chat.frame.evaluate(axe.source);
    const { violations } = await chat.frame.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), [], name);
    assert.ok(await chat.frame.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is cut off`);
  };
  chat.close = async () => {
    await browser.close();
    site.close();
    await client.close();
    assert.deepEqual(chat.faults, []);
    assert.ok(!chat.asked.some(({ params }) => params.name === "create_video"));
  };
  return chat;
};

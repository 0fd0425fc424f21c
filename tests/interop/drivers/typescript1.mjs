// The official TypeScript SDK 1.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { environment, headers, server, url, walk } from "./steps.mjs";

const connection = () => {
  if (!url) return new StdioClientTransport({ command: server, env: environment });
  const Transport = url.endsWith("/sse") ? SSEClientTransport : StreamableHTTPClientTransport;
  return new Transport(new URL(url), { requestInit: { headers } });
};
const client = new Client({ name: "interop", version: "1" });
await client.connect(connection());
const { tools } = await client.listTools();
await walk(tools, (name, given) => client.callTool({ name, arguments: given }));
await client.close();

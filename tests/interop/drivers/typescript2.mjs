// The official TypeScript SDK 2 in one era.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { environment, headers, server, url, walk } from "./steps.mjs";

const connection = () =>
  url
    ? new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } })
    : new StdioClientTransport({ command: server, env: environment });
const client = new Client({ name: "interop", version: "1" }, { versionNegotiation: { mode: process.argv[2] } });
await client.connect(connection());
const { tools } = await client.listTools();
await walk(tools, (name, given) => client.callTool({ name, arguments: given }));
await client.close();

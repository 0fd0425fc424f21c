// The official TypeScript SDK 1.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { environment, server, walk } from "./steps.mjs";

const client = new Client({ name: "interop", version: "1" });
await client.connect(new StdioClientTransport({ command: server, env: environment }));
const { tools } = await client.listTools();
await walk(tools, (name, given) => client.callTool({ name, arguments: given }));
await client.close();

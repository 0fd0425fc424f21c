// The official TypeScript SDK 2 in one era.

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { environment, server, walk } from "./steps.mjs";

const client = new Client({ name: "interop", version: "1" }, { versionNegotiation: { mode: process.argv[2] } });
await client.connect(new StdioClientTransport({ command: server, env: environment }));
const { tools } = await client.listTools();
await walk(tools, (name, given) => client.callTool({ name, arguments: given }));
await client.close();

// The model of agents that ask in the form of chat completions, served from loopback; the steps say what it calls, and judge what it gets to see.

import { once } from "node:events";
import { nextTurn, serve } from "./model.mjs";
import { walk } from "./steps.mjs";

const chunk = (delta, finish_reason) => ({ id: "1", object: "chat.completion.chunk", created: 1, model: "stub", choices: [{ index: 0, delta, finish_reason }] });
const part = (delta, reason) => [chunk({ role: "assistant", ...delta }, null), chunk({}, reason)];
const ask = (id, name, given) => part({ tool_calls: [{ index: 0, id, type: "function", function: { name, arguments: JSON.stringify(given) } }] }, "tool_calls");

// Serve a model that knows our tools by their prefix; `lead` takes the agent's process through the steps, and `read(content, tool)` makes a result of what a call brought.
export const chatModel = async (prefix) => {
  const declared = (body) => (body.tools ?? []).map((tool) => tool.function).filter(({ name }) => name.startsWith(prefix));
  const model = await serve(/\/chat\/completions$/, (body) => declared(body).length > 0, part({ content: "ok" }, "stop"));
  const lead = async (agent, read) => {
    process.on("exit", () => agent.kill("SIGKILL"));
    const ended = once(agent, "exit").then(([code]) => code && process.exit(code));
    let turn = await nextTurn();
    let count = 0;
    const call = async (tool, given) => {
      const id = `call_${(count += 1)}`;
      turn.say(ask(id, prefix + tool, given));
      turn = await nextTurn();
      const place = turn.body.messages.findIndex((message) => message.tool_call_id === id);
      const raw = turn.body.messages.slice(place); // a picture may come in a message of its own
      return { ...read(raw[0].content, tool), raw };
    };
    const tools = declared(turn.body).map((tool) => ({ name: tool.name.slice(prefix.length), inputSchema: tool.parameters }));
    await walk(tools, call, { listed: declared(turn.body) });
    turn.say(part({ content: "done" }, "stop"));
    await ended;
    model.stop();
  };
  return { address: model.address, lead };
};

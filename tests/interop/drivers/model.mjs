// A model on loopback: what an agent asks of it waits until a driver answers.

import { createServer } from "node:http";
import { connect } from "node:net";
import { json } from "node:stream/consumers";

const turns = [];
const listeners = [];

// The agent's next question: the request's body, and `say(events)` to answer it with server-sent events.
export const nextTurn = () => new Promise((resolve) => (turns.length ? resolve(turns.shift()) : listeners.push(resolve)));

// Serve, also as the one proxy of an agent that sends even loopback through a proxy, with no way to elsewhere; `isTurn(body)` tells the agent's own questions from side errands, which `aside` answers at once.
export const serve = async (path, isTurn, aside) => {
  const stub = createServer(async (request, response) => {
    if (request.method !== "POST" || !path.test(request.url)) {
      response.writeHead(404, { "content-type": "application/json" }).end("{}");
      return;
    }
    const body = await json(request);
    const say = (events) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(events.map((event) => `${event.type ? `event: ${event.type}\n` : ""}data: ${JSON.stringify(event)}\n\n`).join(""));
    };
    if (!isTurn(body)) say(aside);
    else if (listeners.length) listeners.shift()({ body, say });
    else turns.push({ body, say });
  });
  stub.on("connect", (request, socket) => {
    if (request.url !== `127.0.0.1:${stub.address().port}`) return socket.destroy();
    const through = connect(stub.address().port, "127.0.0.1", () => socket.write("HTTP/1.1 200 OK\r\n\r\n"));
    return socket.pipe(through).pipe(socket);
  });
  await new Promise((resolve) => stub.listen(0, "127.0.0.1", resolve));
  const stop = () => {
    stub.close();
    stub.closeAllConnections();
  };
  return { address: `http://127.0.0.1:${stub.address().port}`, stop };
};

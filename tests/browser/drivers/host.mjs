// The chat's side in the browser: the reference AppBridge around one sandboxed frame. What the page asks is relayed to the driver.

import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

const ASKED = {
  oncalltool: "tools/call",
  onopenlink: "ui/open-link",
  ondownloadfile: "ui/download-file",
  onmessage: "ui/message",
  onrequestdisplaymode: "ui/request-display-mode",
};

window.mount = async (capabilities, hostContext) => {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.title = "Seedance";
  document.body.replaceChildren(frame);
  const bridge = new AppBridge(null, { name: "chat", version: "1" }, capabilities, { hostContext });
  for (const [slot, method] of Object.entries(ASKED)) bridge[slot] = (params) => window.relay(method, params);
  bridge.onsizechange = ({ height }) => {
    frame.style.height = `${height}px`;
  };
  const initialized = new Promise((done) => {
    bridge.oninitialized = done;
  });
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.src = "/view";
  await initialized;
  window.bridge = bridge;
};

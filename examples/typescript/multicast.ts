// Multicast: receives what is sent to a group, or sends to it.
//
//   node build/multicast.js receive
//   node build/multicast.js send hello
import { Gateway } from "@socket-gateway/client";
import { commandLine } from "./command_line.js";

const options = commandLine("Receives from a group, or sends to it: multicast receive, or multicast send TEXT", {
  group: "239.255.42.99",
  port: "4299",
  interface: "",
  count: "1",
});
const [what, text = "hello"] = options.rest;

await using gateway = await Gateway.open(options.gateway);
if (what === "send") {
  const sent = await gateway.udpOut(options.group, Number(options.port), text, { multicastInterface: options.interface });
  console.log(`sent ${sent.bytes} bytes to ${sent.host}:${sent.port}`);
} else {
  const groups = [{ address: options.group, interface: options.interface }];
  await using socket = await gateway.udpIn(Number(options.port), { groups });
  console.log(`listening on ${socket.local.host}:${socket.local.port} for ${socket.groups.join(", ")}`);
  let wanted = Number(options.count);
  for await (const datagram of socket) {
    console.log(`${datagram.sender.host}: ${datagram.text}`);
    wanted -= 1;
    if (wanted === 0) {
      break;
    }
  }
}

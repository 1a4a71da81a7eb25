// The inactivity timeout: a connection on which nothing happens for a while is reported, and then closed or kept.
//
//   node build/timeout.js --port 2323 --after 1000
import { Gateway } from "@socket-gateway/client";
import { commandLine } from "./command_line.js";

const options = commandLine("Waits for silence (milliseconds).", { host: "127.0.0.1", port: "2323", after: "1000" });
const timeout = Number(options.after);

await using gateway = await Gateway.open(options.gateway);
await using kept = await gateway.connect(options.host, Number(options.port), { timeout });
for await (const event of kept.events()) {
  if (event.kind === "timeout") {
    console.log(`kept: ${event.error?.message}; the session is ${kept.end === undefined ? "open" : "closed"}`);
    break;
  }
}
const closed = await gateway.connect(options.host, Number(options.port), { timeout, onTimeout: "close" });
console.log(`closed: ${(await closed.closed).reason}`);

// The TCP client flow: connects, sends each word as a line, and prints what comes back.
//
//   node build/echo_client.js hello world bye
import { Gateway } from "@socket-gateway/client";
import { commandLine } from "./command_line.js";

const options = commandLine("Sends words to the echo server: echo_client [word …]", { host: "127.0.0.1", port: "2323" });
const words = options.rest.length > 0 ? options.rest : ["hello", "bye"];

await using gateway = await Gateway.open(options.gateway);
await using session = await gateway.connect(options.host, Number(options.port), { mode: "line", terminator: "crlf" });
await session.send(words);
for await (const line of session.lines()) {
  console.log(line);
}

// The TCP server flow: greets each visitor, repeats its lines, and hangs up on "bye".
//
//   node build/echo_server.js        then: telnet localhost 2323
import { Gateway, type Session } from "@socket-gateway/client";
import { commandLine } from "./command_line.js";

const options = commandLine("An echo server on the gateway.", { host: "0.0.0.0", port: "2323" });

async function serve(session: Session): Promise<void> {
  await session.send("Hello. I repeat what you say, until bye.");
  for await (const line of session.lines()) {
    if (line === "bye") {
      await session.send("Good bye.");
      await session.disconnect();
      return;
    }
    await session.send(line);
  }
}

await using gateway = await Gateway.open(options.gateway);
await using listener = await gateway.listen(Number(options.port), { host: options.host, mode: "line", terminator: "crlf" });
console.log(`listening on port ${listener.local.port}`);
process.once("SIGINT", () => listener.close({ sessions: true }));
for await (const session of listener) {
  serve(session).catch((error) => console.error(`${session.remote?.host}: ${error.message}`));
}

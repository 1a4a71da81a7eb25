// The dialogue with a bulletin board, which asks for a command whenever it is ready, without ending that line.
//
//   node build/bbs.js --host bbs.example --port 23 LIST "READ 2" QUIT
import { Gateway } from "@socket-gateway/client";
import { commandLine } from "./command_line.js";

// It matches the unfinished line as well: a prompt has no line end.
const PROMPT = /^ENTER COMMAND/;

const options = commandLine("Talks to a bulletin board: bbs [command …]", { host: "127.0.0.1", port: "23" });
const commands = options.rest.length > 0 ? options.rest : ["LIST", "READ 2", "QUIT"];

await using gateway = await Gateway.open(options.gateway);
// The first prompt comes unasked. From then on each command and its answer are one exchange.
await using board = await gateway.connect(options.host, Number(options.port), { waitFor: PROMPT, terminator: "crlf" });
const greeting = await board.readMatch({ signal: AbortSignal.timeout(30_000) });
console.log(greeting?.lines.join("\n"));
for (const command of commands) {
  const answer = await board.exchange(command, { waitFor: PROMPT });
  console.log(`> ${command}`);
  console.log(answer.frames.join("\n"));
  if (answer.end === "peer_closed") {
    break;
  }
}

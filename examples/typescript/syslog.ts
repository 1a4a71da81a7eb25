// A syslog collector: datagrams (RFC 5426), and lines or counted messages over TCP (RFC 6587), on the same port.
//
//   node build/syslog.js --port 5514
//   logger --server 127.0.0.1 --port 5514 --udp "hello"
import { Gateway, type Session } from "@socket-gateway/client";
import { commandLine } from "./command_line.js";

const options = commandLine("A syslog collector.", { host: "0.0.0.0", port: "5514" });
const SEVERITIES = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];
const LONGEST = 64 * 1024;

await using gateway = await Gateway.open(options.gateway);
await using listener = await gateway.listen(Number(options.port), { host: options.host, timeout: 3_600_000 });
await using socket = await gateway.udpIn(listener.local.port, { host: options.host });
console.log(`collecting on port ${listener.local.port}`);
process.once("SIGINT", () => Promise.all([listener.close({ sessions: true }), socket.close()]));

function collect(how: string, message: string): void {
  const parts = /^<(\d{1,3})>([\s\S]*)$/.exec(message);
  const severity = parts === null ? "?" : SEVERITIES[Number(parts[1]) & 7];
  console.log(`${how} ${severity}: ${(parts?.[2] ?? message).trimEnd()}`);
}

/** Messages are counted where they begin with a digit, and end with a line feed where they do not. */
async function receive(session: Session): Promise<void> {
  let held = Buffer.alloc(0);
  for await (const chunk of session.chunks()) {
    held = Buffer.concat([held, chunk]);
    for (;;) {
      const count = /^([1-9]\d{0,5}) /.exec(held.toString("latin1", 0, 8));
      const start = count === null ? 0 : count[0].length;
      const end = count === null ? held.indexOf("\n") : start + Number(count[1]);
      if (end < 0 || end > held.length) {
        break;
      }
      collect("tcp", held.toString("utf8", start, end));
      held = held.subarray(count === null ? end + 1 : end);
    }
    if (held.length > LONGEST) {
      throw new Error("a message that is too long");
    }
  }
}

async function accept(): Promise<void> {
  for await (const session of listener) {
    receive(session).catch((error) => console.error(error.message));
  }
}

async function datagrams(): Promise<void> {
  for await (const datagram of socket) {
    collect("udp", datagram.text);
  }
}

await Promise.all([accept(), datagrams()]);

// A mail by nodemailer, which does not know that its connection is the gateway's.
//
//   node build/smtp.js --host mail.example --to somebody@mail.example
import type { Socket } from "node:net";
import { Gateway, SessionSocket } from "@socket-gateway/client";
import { createTransport } from "nodemailer";
import { commandLine } from "./command_line.js";

const options = commandLine("Sends a mail.", { host: "127.0.0.1", port: "25", to: "reader@mail.test" });
const { host, to } = options;
const port = Number(options.port);

await using gateway = await Gateway.open(options.gateway);
const transport = createTransport({
  host,
  port,
  ignoreTLS: true,
  getSocket(_options, callback) {
    gateway.connect(host, port).then(
      (session) => callback(null, { connection: new SessionSocket(session) as unknown as Socket }),
      (error) => callback(error, undefined),
    );
  },
});
const sent = await transport.sendMail({
  from: "gateway@gateway.test",
  to,
  subject: "hello",
  text: "Through a gateway.\n",
});
console.log(sent.response);
transport.close();

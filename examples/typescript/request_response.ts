// Request and response: several callers share one connection, and each gets its own answer.
//
//   node build/request_response.js --port 6379 apple pear plum        a Redis server
import { Gateway } from "@socket-gateway/client";
import { commandLine } from "./command_line.js";

const options = commandLine("Asks a Redis server to echo words, all at once.", { host: "127.0.0.1", port: "6379" });
const words = options.rest.length > 0 ? options.rest : ["apple", "pear", "plum"];

await using gateway = await Gateway.open(options.gateway);
await using redis = await gateway.connect(options.host, Number(options.port), { mode: "line", terminator: "crlf" });
// An answer is its length, as "$5", and then the word.
const answers = await Promise.all(words.map((word) => redis.exchange(`ECHO ${word}`, { waitFor: /^[^$]/, timeout: 10_000 })));
for (const [at, answer] of answers.entries()) {
  console.log(`${words[at]}: ${answer.text}`);
}

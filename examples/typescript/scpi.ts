// SCPI over TCP: asks an instrument who it is, and measures a voltage.
//
//   node build/scpi.js --host 192.0.2.7
import { Gateway, type Session } from "@socket-gateway/client";
import { commandLine } from "./command_line.js";

const options = commandLine("Measures a voltage.", { host: "127.0.0.1", port: "5025" });

await using gateway = await Gateway.open(options.gateway);
await using instrument = await gateway.connect(options.host, Number(options.port), { mode: "line", terminator: "lf" });

async function query(session: Session, command: string): Promise<string> {
  return (await session.exchange(command, { timeout: 5000 })).text;
}

const [maker, model] = (await query(instrument, "*IDN?")).split(",");
console.log(`${model} by ${maker}`);
await instrument.send("*RST");
const volts = Number(await query(instrument, "MEAS:VOLT:DC?"));
console.log(`${volts.toFixed(3)} V`);
const error = await query(instrument, "SYST:ERR?");
if (!/^[+]?0,/.test(error)) {
  throw new Error(`the instrument reports ${error}`);
}

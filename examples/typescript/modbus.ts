// Modbus/TCP: reads holding registers. Each frame says in its header how long it is.
//
//   node build/modbus.js --host 192.0.2.8 --first 10 --count 4
import { Gateway, type Session } from "@socket-gateway/client";
import { commandLine } from "./command_line.js";

const options = commandLine("Reads holding registers.", { host: "127.0.0.1", port: "502", first: "0", count: "4" });
const READ_HOLDING_REGISTERS = 3;
const UNIT = 1;
let transaction = 0;

async function readRegisters(session: Session, address: number, quantity: number): Promise<number[]> {
  transaction = (transaction + 1) & 0xffff;
  const request = Buffer.alloc(12);
  request.writeUInt16BE(transaction, 0);
  request.writeUInt16BE(6, 4); // bytes that follow
  request.writeUInt8(UNIT, 6);
  request.writeUInt8(READ_HOLDING_REGISTERS, 7);
  request.writeUInt16BE(address, 8);
  request.writeUInt16BE(quantity, 10);
  await session.send(request);

  const signal = AbortSignal.timeout(5000);
  const header = Buffer.from(await session.readExactly(6, { signal }));
  const body = Buffer.from(await session.readExactly(header.readUInt16BE(4), { signal }));
  if (header.readUInt16BE(0) !== transaction) {
    throw new Error("the answer to another request");
  }
  if (body[1] !== READ_HOLDING_REGISTERS) {
    throw new Error(`the device refuses with exception ${body[2]}`);
  }
  return Array.from({ length: quantity }, (_, at) => body.readUInt16BE(3 + 2 * at));
}

await using gateway = await Gateway.open(options.gateway);
await using device = await gateway.connect(options.host, Number(options.port));
const first = Number(options.first);
const registers = await readRegisters(device, first, Number(options.count));
for (const [at, value] of registers.entries()) {
  console.log(`${first + at}: ${value}`);
}

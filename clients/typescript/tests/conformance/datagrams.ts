import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { scenario } from "./suite.js";

async function own(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

scenario("C80-udp-reply", async (scene) => {
  const gateway = await scene.open();
  const socket = await gateway.udpIn(0, { host: "127.0.0.1" });
  const far = await own();
  const answered = once(far, "message");
  far.send("ping", socket.local.port, "127.0.0.1");
  const datagram = await socket.receive();
  assert.deepEqual(datagram?.sender, { host: "127.0.0.1", port: far.address().port });
  assert.equal(datagram?.bytes.length, 4);
  await datagram?.reply("pong");
  const [message, from] = await answered;
  assert.deepEqual([message.toString(), from.port], ["pong", socket.local.port]);
  far.close();
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
  await socket.sendTo(scene.far.host, scene.far.port("udp_echo"), bytes);
  const echoed = await socket.receive();
  assert.deepEqual([Buffer.from(echoed?.bytes ?? []), echoed?.sender.port], [bytes, scene.far.port("udp_echo")]);
});

scenario("C81-udp-modes", async (scene) => {
  const gateway = await scene.open();
  const socket = await gateway.udpIn(0, { host: "127.0.0.1", mode: "utf8" });
  const far = await own();
  for (const datagram of [Buffer.from("grüß"), Buffer.from([0xff, 0xfe]), Buffer.alloc(0)]) {
    far.send(datagram, socket.local.port, "127.0.0.1");
  }
  const [first, second, third] = [await socket.receive(), await socket.receive(), await socket.receive()];
  assert.deepEqual([first?.content, first?.bytes.length], ["grüß", 6]);
  assert.deepEqual(Buffer.from(second?.content as Uint8Array), Buffer.from([0xff, 0xfe]));
  assert.equal(third?.content.length, 0);
  far.close();
});

scenario("C82-multicast", async (scene) => {
  const gateway = await scene.open();
  const groups = [{ address: "239.255.77.77", interface: "127.0.0.1" }];
  const first = await gateway.udpIn(0, { host: "0.0.0.0", groups });
  const second = await gateway.udpIn(first.local.port, { host: "0.0.0.0", groups });
  await gateway.udpOut("239.255.77.77", first.local.port, "to all", { multicastInterface: "127.0.0.1" });
  assert.equal((await first.receive())?.text, "to all");
  assert.equal((await second.receive())?.text, "to all");
});

scenario("C83-udp-out", async (scene) => {
  const gateway = await scene.open();
  const socket = await gateway.udpIn(0, { host: "127.0.0.1" });
  assert.equal((await gateway.udpOut("127.0.0.1", socket.local.port, "once")).bytes, 4);
  assert.equal((await socket.receive())?.text, "once");
});

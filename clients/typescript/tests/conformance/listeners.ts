import assert from "node:assert/strict";
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import type { Gateway, Session } from "../../src/node.js";
import { take } from "../support/peers.js";
import { eventOf, type Scene, scenario, view } from "./suite.js";

async function dial(port: number): Promise<Socket> {
  const socket = createConnection(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

scenario("C30-listen", async (scene) => {
  const gateway = await scene.open();
  const listener = await gateway.listen(0, { host: "127.0.0.1", mode: "line", terminator: "crlf" });
  assert.ok(listener.id.startsWith("lstn-"), listener.id);
  const visitors: Socket[] = [];
  const sessions: Session[] = [];
  for (let at = 0; at < 3; at += 1) {
    const visitor = await dial(listener.local.port);
    visitors.push(visitor);
    visitor.write(`visitor ${at}\n`);
    const session = await listener.accept();
    assert.equal(session?.remote?.port, visitor.localPort);
    assert.equal(await session?.readLine(), `visitor ${at}`);
    await session?.send(`hello ${at}`);
    assert.equal((await take(visitor, 9)).toString(), `hello ${at}\r\n`);
    sessions.push(session as Session);
  }
  for (const visitor of visitors) {
    visitor.end();
  }
  for (const session of sessions) {
    assert.equal((await session.closed).reason, "peer_closed");
  }
  const more = listener.accept();
  await listener.close();
  assert.equal(await more, undefined);
  await assert.rejects(dial(listener.local.port), { code: "ECONNREFUSED" });
});

scenario("C31-unlisten-with-sessions", async (scene) => {
  const gateway = await scene.open();
  const listener = await gateway.listen(0, { host: "127.0.0.1" });
  const visitors = [await dial(listener.local.port), await dial(listener.local.port)];
  const sessions = [await listener.accept(), await listener.accept()];
  assert.equal(await listener.close({ sessions: true }), 2);
  for (const visitor of visitors) {
    visitor.resume();
  }
  for (const session of sessions) {
    assert.equal((await session?.closed)?.reason, "by_request");
  }
});

interface Pair {
  readonly a: Gateway;
  readonly b: Gateway;
  readonly one: Session;
  readonly two: Session;
}

async function shared(scene: Scene): Promise<Pair> {
  const [a, b] = [await scene.open(), await scene.open()];
  const one = await a.connect(scene.far.host, scene.far.port("answers"), { mode: "line", terminator: "lf" });
  return { a, b, one, two: await b.session(one.id, { terminator: "lf" }) };
}

scenario("C32-claims", async (scene) => {
  const { a, one, two } = await shared(scene);
  for (const [session, text] of [
    [one, "one"],
    [two, "two"],
    [one, "three"],
  ] as const) {
    await session.send(text);
    assert.equal(await session.readLine(), `re: ${text}`);
  }
  const seen = await view(a, one);
  assert.deepEqual([seen.lifecycleSubscriber, seen.dataSubscriber], [a.subscriber, a.subscriber]);
  assert.ok(seen.claimGeneration >= 2n);
  await one.disconnect();
  assert.equal((await one.closed).reason, "by_request");
  assert.equal(await one.readLine(), undefined);
});

scenario("C33-claim-data", async (scene) => {
  const { a, one, two } = await shared(scene);
  assert.equal(await two.claim(), a.subscriber);
  await scene.far.order({ cmd: "say", port: one.local?.port, text: "news\r\n" });
  assert.equal(await two.readLine(), "news");
});

scenario("C34-send-without-claim", async (scene) => {
  const { one, two } = await shared(scene);
  await two.send("x", { claim: false });
  assert.equal(await one.readLine(), "re: x");
});

scenario("C41-inactivity-closes", async (scene) => {
  const gateway = await scene.open();
  const listener = await gateway.listen(0, { host: "127.0.0.1", timeout: 300 });
  const visitor = await dial(listener.local.port);
  const accepted = (await listener.accept()) as Session;
  const port = scene.far.port("silent");
  const dialled = await gateway.connect(scene.far.host, port, { timeout: 300, onTimeout: "close" });
  for (const session of [accepted, dialled]) {
    assert.equal((await eventOf(session, "timeout")).error?.reason, "TIMEOUT");
    assert.equal((await session.closed).reason, "timeout");
  }
  visitor.destroy();
});

import assert from "node:assert/strict";
import type { Gateway, Session } from "../../src/node.js";
import { pattern, readPattern, type Scene, scenario, until, view } from "./suite.js";

const FLOOD = 64 * 1024 * 1024;

async function flood(scene: Scene, gateway: Gateway): Promise<Session> {
  const session = await gateway.connect(scene.far.host, scene.far.port("source"));
  await session.send(`${FLOOD}\n`);
  await until("reading is paused", async () => (await view(gateway, session)).readPaused);
  let before = -1;
  await until("the peer stands still", async () => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { sent } = await scene.far.look(session.local?.port);
    const still = sent === before;
    before = sent;
    return still;
  });
  assert.ok(before < 32 * 1024 * 1024, `${before} bytes were sent`);
  return session;
}

async function prompt(scene: Scene, gateway: Gateway): Promise<void> {
  const session = await gateway.connect(scene.far.host, scene.far.port("answers"), { mode: "line", terminator: "lf" });
  assert.equal((await session.exchange("first")).text, "re: first");
  for (let at = 0; at < 100; at += 1) {
    await session.send(`${at}`);
    assert.equal(await session.readLine(), `re: ${at}`);
  }
}

scenario("C70-slow-reader", async (scene) => {
  const gateway = await scene.open();
  const session = await flood(scene, gateway);
  await readPattern(session, FLOOD);
});

scenario("C71-slow-reader-alone", async (scene) => {
  const gateway = await scene.open();
  const slow = await Promise.all([1, 2, 3].map(() => flood(scene, gateway)));
  await prompt(scene, gateway);
  for (const session of slow) {
    await session.abort();
    assert.equal((await session.closed).reason, "abort");
  }
});

scenario("C72-slow-peer", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("stuck"));
  const failed = session.send(pattern(0, 32 * 1024 * 1024)).then(
    () => undefined,
    (error) => error,
  );
  await until("sends wait", async () => (await view(gateway, session)).queuedSendBytes > 0n);
  await prompt(scene, gateway);
  await session.abort();
  const error = await failed;
  assert.ok(["SOCKET_NOT_CONNECTED", "SESSION_NOT_CONNECTED", "SESSION_NOT_FOUND"].includes(error?.reason), String(error));
});

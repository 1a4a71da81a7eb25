import assert from "node:assert/strict";
import { GatewayProcess } from "../support/gateway.js";
import { Relay } from "./far_end.js";
import { fails, readPattern, type Scene, scenario, until } from "./suite.js";

async function behindRelay(scene: Scene) {
  const relay = await Relay.to(scene.far, scene.shared.port);
  const gateway = await scene.open({}, relay.address);
  return { relay, gateway };
}

scenario("C60-resume", async (scene) => {
  const { relay, gateway } = await behindRelay(scene);
  const witness = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("answers"), { mode: "line", terminator: "lf" });
  await session.send("one");
  assert.equal(await session.readLine(), "re: one");
  await relay.tell("cut");
  await scene.far.order({ cmd: "say", port: session.local?.port, text: "while away\r\n" });
  assert.equal(await session.readLine(), "while away");
  await session.send("two");
  assert.equal(await session.readLine(), "re: two");
  await until("one stream is attached", async () => {
    const { subscribers } = await witness.stubs.sessions.listSubscribers({ pageSize: 1000 });
    return subscribers.find(({ name }) => name === gateway.subscriber)?.streams === 1;
  });
});

scenario("C61-resume-refused", async (scene) => {
  const { relay, gateway } = await behindRelay(scene);
  const session = await gateway.connect(scene.far.host, scene.far.port("answers"), { mode: "line", terminator: "lf" });
  const before = (await relay.tell("relayed")).accepted as number;
  await relay.tell("refuse");
  await scene.far.order({ cmd: "say", port: session.local?.port, text: "1\r\n2\r\n3\r\n" });
  await until("it tried again", async () => ((await relay.tell("relayed")).accepted as number) > before);
  await relay.tell("accept");
  for (const line of ["1", "2", "3"]) {
    assert.equal(await session.readLine(), line);
  }
  await session.send("four");
  assert.equal(await session.readLine(), "re: four");
});

scenario("C62-resume-in-a-flood", async (scene) => {
  const { relay, gateway } = await behindRelay(scene);
  const session = await gateway.connect(scene.far.host, scene.far.port("source"));
  await session.send("10000000\n");
  let next = 2_000_000;
  const cuts: Promise<unknown>[] = [];
  await readPattern(session, 10_000_000, (at) => {
    if (at >= next) {
      next += 2_000_000;
      cuts.push(relay.tell("cut"));
    }
  });
  await Promise.all(cuts);
  assert.equal(await session.read(), undefined);
});

scenario("C63-restart", async (scene) => {
  const first = await scene.gateway();
  const relay = await Relay.to(scene.far, first.port);
  const gateway = await scene.open({}, relay.address);
  const session = await gateway.connect(scene.far.host, scene.far.port("answers"), { mode: "line", terminator: "lf" });
  const listener = await gateway.listen(0, { host: "127.0.0.1" });
  const reading = fails(session.readLine(), "INSTANCE_CHANGED", "failed_precondition");
  const accepting = fails(listener.accept(), "INSTANCE_CHANGED", "failed_precondition");
  await first.kill();
  const second = scene.keep(await GatewayProcess.start());
  await relay.tell("target", { port: second.port });
  await reading;
  await accepting;
  await fails(session.send("x"), "INSTANCE_CHANGED", "failed_precondition");
  const again = await gateway.connect(scene.far.host, scene.far.port("echo"));
  await again.send("anew");
  assert.equal(Buffer.from(await again.readExactly(4)).toString(), "anew");
});

scenario("C64-shutdown", async (scene) => {
  const own = await scene.gateway();
  const gateway = await scene.open({ reconnectTimeout: 100 }, own.address);
  const session = await gateway.connect(scene.far.host, scene.far.port("silent"), { mode: "line" });
  const code = await own.terminate();
  assert.equal((await session.closed).reason, "shutdown");
  assert.equal(code, 0);
});

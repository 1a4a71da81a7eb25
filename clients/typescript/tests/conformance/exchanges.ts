import assert from "node:assert/strict";
import type { Session } from "../../src/node.js";
import { fails, type Scene, scenario } from "./suite.js";

async function lineSession(scene: Scene, peer: string): Promise<Session> {
  const gateway = await scene.open();
  return await gateway.connect(scene.far.host, scene.far.port(peer), { mode: "line", terminator: "lf" });
}

scenario("C20-exchange", async (scene) => {
  const session = await lineSession(scene, "answers");
  const answer = await session.exchange(["a", "b", "c"], { waitFor: /^re: (c)$/ });
  assert.deepEqual(answer.frames.map(String), ["re: a", "re: b"]);
  assert.deepEqual([answer.end, answer.match?.text, answer.captures.map(String)], ["match", "re: c", ["c"]]);
  const frame = await session.exchange("d");
  assert.deepEqual([frame.end, frame.frames.map(String)], ["frame", ["re: d"]]);
});

scenario("C21-exchange-turns", async (scene) => {
  const session = await lineSession(scene, "answers");
  await Promise.all(
    Array.from({ length: 20 }, async (_, at) => {
      assert.equal((await session.exchange(`caller ${at}`, { waitFor: "^re: " })).match?.text, `re: caller ${at}`);
    }),
  );
});

scenario("C22-exchange-timeout", async (scene) => {
  const session = await lineSession(scene, "answers");
  await fails(session.exchange("wait 1 late", { waitFor: "^re: ", timeout: 200 }), "TIMEOUT", "deadline_exceeded");
  assert.equal((await session.exchange("next", { waitFor: "^re: " })).match?.text, "re: next");
  assert.equal(await session.readLine(), "re: late");
});

scenario("C23-exchange-greeting", async (scene) => {
  const session = await lineSession(scene, "bbs");
  assert.equal((await session.exchange([], { waitFor: "login: $" })).match?.text, "login: ");
  await session.exchange("anna", { waitFor: "password: " });
  const wrong = await session.exchange("wrong", { waitFor: "login: $" });
  assert.deepEqual(wrong.frames.map(String), ["", "Login incorrect"]);
  await session.exchange("anna", { waitFor: "password: " });
  await session.exchange("secret", { waitFor: "menu> " });
  assert.match((await session.exchange("quit")).text, /^(menu> )?Goodbye$/);
});

scenario("C24-exchange-peer-closed", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("source"));
  const answer = await session.exchange("0", { terminator: "lf" });
  assert.deepEqual([answer.end, answer.frames], ["peer_closed", []]);
});

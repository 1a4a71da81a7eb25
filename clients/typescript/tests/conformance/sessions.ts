import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { LineTerminator, SessionState } from "../../src/proto.js";
import { eventOf, fails, pattern, readPattern, scenario, until, view } from "./suite.js";

const TEN_MB = 10_000_000;

function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

scenario("C01-connect-echo", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("echo"));
  assert.notEqual(session.id, "");
  assert.equal(session.remote?.port, scene.far.port("echo"));
  assert.notEqual(session.local?.port ?? 0, 0);
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
  await session.send(bytes);
  assert.deepEqual(Buffer.from(await session.readExactly(256)), Buffer.from(bytes));
  await session.disconnect();
  const end = await session.closed;
  assert.deepEqual([end.reason, end.bytesReceived, end.bytesSent], ["by_request", 256n, 256n]);
  await fails(view(gateway, session), "SESSION_NOT_FOUND", "not_found");
});

scenario("C02-forced-id", async (scene) => {
  const gateway = await scene.open();
  const sessionId = `forced-${randomUUID()}`;
  const first = await gateway.connect(scene.far.host, scene.far.port("silent"), { sessionId });
  assert.equal(first.id, sessionId);
  assert.equal((await view(gateway, first)).state, SessionState.CONNECTED);
  await first.disconnect();
  await first.closed;
  const second = await gateway.connect(scene.far.host, scene.far.port("silent"), { sessionId });
  assert.equal(second.id, sessionId);
});

scenario("C03-lines", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("echo"), { mode: "line" });
  for (const piece of ["one\r", "\ntwo\nth", "ree\rfo", "ur\r\n", "\n"]) {
    await session.send(Buffer.from(piece));
  }
  for (const line of ["one", "two", "three", "four", ""]) {
    assert.equal(await session.readLine(), line);
  }
  await session.send(Buffer.from("end\n"));
  assert.equal(await session.readLine(), "end");
});

scenario("C04-not-utf8", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("bbs"), { mode: "line", terminator: "lf" });
  await session.exchange("anna", { waitFor: "password: " });
  await session.exchange("secret", { waitFor: "menu> " });
  await session.send("latin");
  const latin = Buffer.from([0x63, 0x61, 0x66, 0xe9]);
  for await (const line of session.lines({ invalid: "bytes" })) {
    if (typeof line !== "string") {
      const bytes = Buffer.from(line);
      assert.ok(bytes.equals(latin) || bytes.equals(Buffer.concat([Buffer.from("menu> "), latin])), bytes.toString("hex"));
      return;
    }
  }
  assert.fail("no such line");
});

scenario("C05-terminators", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("sink"));
  for (const terminator of ["none", "lf", "crlf", "cr"] as const) {
    await session.send(["a", Buffer.from("b")], { terminator });
  }
  await session.send("", { terminator: "lf" });
  await session.disconnect();
  await session.closed;
  const seen = await scene.far.done(session.local?.port);
  assert.deepEqual([seen.received, seen.sha256], [13, sha256("aba\nba\r\nba\rb\n")]);
});

scenario("C06-items", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("sink"));
  const first = await session.send(["one", Buffer.from("two"), "three"], { terminator: "lf" });
  assert.deepEqual([first.chunkCount, first.writeOffset], [3, 13n]);
  assert.notEqual(first.messageId, "");
  const second = await session.send(Buffer.from("x"));
  assert.deepEqual([second.chunkCount, second.writeOffset], [1, 14n]);
});

scenario("C07-wait-for", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("bbs"), { waitFor: /login: $/, terminator: "lf" });
  const texts = async () => {
    const match = await session.readMatch();
    return [match?.lines.map(String), match?.match?.text, match?.captures.map(String), match?.groups] as const;
  };
  assert.deepEqual(await texts(), [["Welcome to the far end"], "login: ", [], {}]);
  await session.send("anna", { waitFor: "^(?P<what>pass)word: " });
  assert.deepEqual(await texts(), [[], "password: ", ["pass"], { what: "pass" }]);
  await session.send("secret", { waitFor: "menu> " });
  assert.deepEqual(await texts(), [["", "Hello, anna"], "menu> ", [], {}]);
  await session.send("list");
  assert.deepEqual(await texts(), [["one", "two", "three"], "menu> ", [], {}]);
  await session.send("quit", { waitFor: "" });
  assert.equal(await session.readLine(), "Goodbye");
  assert.equal((await session.closed).reason, "peer_closed");
});

scenario("C08-flushed", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("greeter"), { waitFor: "never" });
  await until("all was received", async () => (await view(gateway, session)).bytesReceived === 25n);
  await session.disconnect();
  const flushed = await session.readMatch();
  assert.deepEqual(flushed?.lines.map(String), ["hello 1", "hello 2", "ready> "]);
  assert.equal(flushed?.match, undefined);
  assert.equal(flushed?.unfinished, true);
  assert.equal(await session.readMatch(), undefined);
});

scenario("C09-ten-megabytes", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("echo"));
  const writing = (async () => {
    for (let at = 0; at < TEN_MB; at += 100_000) {
      await session.send(pattern(at, 100_000));
    }
  })();
  await readPattern(session, TEN_MB);
  await writing;
});

scenario("C10-big-download", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("source"));
  await session.send(`${TEN_MB}\n`);
  await readPattern(session, TEN_MB);
  assert.equal(await session.read(), undefined);
  const end = await session.closed;
  assert.deepEqual([end.reason, end.bytesReceived], ["peer_closed", BigInt(TEN_MB)]);
});

scenario("C11-disconnect-writes-all", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("sink"));
  const bytes = pattern(0, 1_000_000);
  const sending = session.send(bytes);
  await session.disconnect();
  await sending;
  const end = await session.closed;
  assert.deepEqual([end.reason, end.bytesSent], ["by_request", 1_000_000n]);
  const seen = await scene.far.done(session.local?.port);
  assert.deepEqual([seen.received, seen.sha256, seen.outcome], [1_000_000, sha256(bytes), "closed"]);
});

scenario("C12-abort", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("silent"));
  await session.abort();
  assert.equal((await session.closed).reason, "abort");
  assert.equal((await scene.far.done(session.local?.port)).outcome, "broken");
});

scenario("C13-half-close", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("half_closer"), { mode: "line", allowHalfOpen: true });
  assert.equal(await session.readLine(), "half");
  await eventOf(session, "half_closed");
  assert.equal(await session.readLine(), undefined);
  assert.equal((await view(gateway, session)).state, SessionState.HALF_CLOSED);
  await session.send(Buffer.from("after\n"));
  await session.disconnect();
  assert.equal((await scene.far.done(session.local?.port)).received, 6);
  assert.equal((await session.closed).reason, "by_request");
});

scenario("C14-peer-closed", async (scene) => {
  const gateway = await scene.open();
  for (const [peer, line] of [
    ["closer", "bye"],
    ["half_closer", "half"],
  ] as const) {
    const session = await gateway.connect(scene.far.host, scene.far.port(peer), { mode: "line" });
    assert.equal(await session.readLine(), line);
    assert.equal(await session.readLine(), undefined);
    assert.equal((await session.closed).reason, "peer_closed");
  }
});

scenario("C15-peer-reset", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("resetter"));
  await session.send("x");
  const event = await eventOf(session, "error");
  assert.deepEqual([event.error?.reason, event.error?.errno], ["TRANSPORT_ERROR", "ECONNRESET"]);
  assert.equal((await session.closed).reason, "peer_reset");
  await fails(session.read(), "TRANSPORT_ERROR", "failed_precondition", ["closeReason"]);
});

scenario("C16-five-hundred", async (scene) => {
  const gateway = await scene.open();
  const sessions: Awaited<ReturnType<typeof gateway.connect>>[] = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < 500; at = next++) {
      const session = await gateway.connect(scene.far.host, scene.far.port("echo"), { mode: "line", terminator: "lf" });
      sessions[at] = session;
      await session.send(`session ${at}`);
      assert.equal(await session.readLine(), `session ${at}`);
    }
  };
  await Promise.all(Array.from({ length: 50 }, worker));
  assert.equal(sessions.length, 500);
  await Promise.all(sessions.map((session) => session.disconnect()));
  for (const session of sessions) {
    assert.equal((await session.closed).reason, "by_request");
  }
});

scenario("C40-inactivity-keeps", async (scene) => {
  const gateway = await scene.open();
  const port = scene.far.port("answers");
  const session = await gateway.connect(scene.far.host, port, { mode: "line", terminator: "lf", timeout: 300 });
  assert.equal((await eventOf(session, "timeout")).error?.reason, "TIMEOUT");
  await session.send("still here");
  assert.equal(await session.readLine(), "re: still here");
});

scenario("C42-connect-timeout", async (scene) => {
  const gateway = await scene.open();
  const dialling = gateway.connect(scene.far.host, scene.far.port("blackhole"), { connectTimeout: 300 });
  await fails(dialling, "CONNECT_FAILED", "deadline_exceeded", ["sessionId", "host", "port"]);
});

scenario("C43-no-wait", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("echo"), { noWait: true });
  await session.opened();
  const kinds: string[] = [];
  for await (const event of session.events()) {
    kinds.push(event.kind);
    if (kinds.length === 2) {
      break;
    }
  }
  assert.deepEqual(kinds, ["connecting", "connected"]);
  await session.send("echo");
  assert.equal(Buffer.from(await session.readExactly(4)).toString(), "echo");
  const refused = await gateway.connect(scene.far.host, scene.far.port("refused"), { noWait: true });
  await fails(refused.opened(), "CONNECT_FAILED", "failed_precondition", ["errno"]);
  assert.equal((await refused.closed).reason, "error");
  const events = [];
  for await (const event of refused.events()) {
    events.push(event.kind);
  }
  assert.deepEqual(events, ["connecting", "error", "disconnected"]);
});

scenario("C44-orphaned", async (scene) => {
  const gateway = await scene.open();
  const { stubs } = gateway;
  const { sessionId, connected } = await stubs.sockets.tcpConnect({
    host: scene.far.host,
    port: scene.far.port("silent"),
    subscriber: `nobody-${randomUUID()}`,
    orphanTimeout: { seconds: 0n, nanos: 500_000_000 },
  });
  await scene.far.done(connected?.localPort);
  await until("it is listed no more", async () => {
    const { sessions } = await stubs.sessions.listSessions({ pageSize: 1000 });
    return sessions.every((session) => session.sessionId !== sessionId);
  });
});

scenario("C50-request-id", async (scene) => {
  const { sockets } = (await scene.open()).stubs;
  const subscriber = `retry-${randomUUID()}`;
  const requestId = randomUUID();
  const connect = { host: scene.far.host, port: scene.far.port("silent"), subscriber, requestId };
  const { sessionId } = await sockets.tcpConnect(connect);
  assert.equal((await sockets.tcpConnect(connect)).sessionId, sessionId);
  const listen = { host: scene.far.host, subscriber, requestId: `${requestId}-listen` };
  const { listenerId } = await sockets.tcpListen(listen);
  assert.equal((await sockets.tcpListen(listen)).listenerId, listenerId);
  const bind = { host: scene.far.host, subscriber, requestId: `${requestId}-udp` };
  const { sessionId: udp } = await sockets.udpIn(bind);
  assert.equal((await sockets.udpIn(bind)).sessionId, udp);
  await sockets.tcpUnlisten({ listenerId });
  await sockets.tcpDisconnect({ sessionId, abort: true });
  await sockets.tcpDisconnect({ sessionId: udp });
});

scenario("C51-write-offset", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("sink"));
  assert.equal((await session.send("abc", { expectedWriteOffset: 0n })).writeOffset, 3n);
  const error = await fails(session.send("abc", { expectedWriteOffset: 0n }), "WRITE_OFFSET_MISMATCH", "failed_precondition");
  assert.equal(error.metadata.writeOffset, "3");
  await session.disconnect();
  assert.equal((await scene.far.done(session.local?.port)).received, 3);
  assert.equal(LineTerminator.UNSPECIFIED, 0);
});

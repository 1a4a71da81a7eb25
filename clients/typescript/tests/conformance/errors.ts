import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { Gateway, type Session } from "../../src/node.js";
import { Relay } from "./far_end.js";
import { eventOf, fails, type Scene, scenario, until, view } from "./suite.js";

async function connected(scene: Scene, peer: string, line = false): Promise<{ gateway: Gateway; session: Session }> {
  const gateway = await scene.open();
  const options = line ? ({ mode: "line", terminator: "lf" } as const) : {};
  return { gateway, session: await gateway.connect(scene.far.host, scene.far.port(peer), options) };
}

scenario("E01-connect-invalid", async (scene) => {
  const gateway = await scene.open();
  const error = await fails(gateway.connect("", 70_000), "CONNECT_INVALID", "invalid_argument");
  assert.deepEqual(error.violations.map(({ field }) => field).toSorted(), ["host", "port"]);
});

scenario("E02-session-id-conflict", async (scene) => {
  const gateway = await scene.open();
  const sessionId = `conflict-${randomUUID()}`;
  const connect = () => gateway.connect(scene.far.host, scene.far.port("silent"), { sessionId });
  await connect();
  await fails(connect(), "SESSION_ID_CONFLICT", "already_exists", ["sessionId"]);
});

scenario("E03-connect-failed", async (scene) => {
  const gateway = await scene.open();
  const refused = gateway.connect(scene.far.host, scene.far.port("refused"));
  const error = await fails(refused, "CONNECT_FAILED", "failed_precondition", ["host", "port", "sessionId"]);
  assert.equal(error.errno, "ECONNREFUSED");
  await fails(gateway.connect("nobody.invalid", 1), "CONNECT_FAILED", "failed_precondition");
});

scenario("E04-listen-invalid", async (scene) => {
  const error = await fails((await scene.open()).listen(70_000), "LISTEN_INVALID", "invalid_argument");
  assert.deepEqual(
    error.violations.map(({ field }) => field),
    ["port"],
  );
});

scenario("E05-server-error", async (scene) => {
  const listening = (await scene.open()).listen(scene.far.port("echo"), { host: "127.0.0.1" });
  assert.equal((await fails(listening, "SERVER_ERROR", "failed_precondition")).errno, "EADDRINUSE");
});

scenario("E06-session-not-found", async (scene) => {
  const gateway = await scene.open();
  await fails(gateway.session("nobody"), "SESSION_NOT_FOUND", "not_found", ["sessionId"]);
  const payload = [{ item: { case: "text" as const, value: "x" } }];
  await fails(gateway.stubs.sockets.tcpSend({ sessionId: "nobody", payload }), "SESSION_NOT_FOUND", "not_found", ["sessionId"]);
});

scenario("E07-listener-not-found", async (scene) => {
  const { sockets } = (await scene.open()).stubs;
  await fails(sockets.tcpUnlisten({ listenerId: "nobody" }), "LISTENER_NOT_FOUND", "not_found", ["listenerId"]);
});

scenario("E08-session-not-connected", async (scene) => {
  const gateway = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("blackhole"), { noWait: true });
  await fails(session.send("x"), "SESSION_NOT_CONNECTED", "failed_precondition", ["sessionId", "state"]);
  await session.abort();
});

scenario("E09-socket-not-connected", async (scene) => {
  const { gateway, session } = await connected(scene, "stuck");
  const sends = Array.from({ length: 12 }, () => session.send(new Uint8Array(1_000_000)));
  const outcomes = Promise.allSettled(sends);
  await until("sends wait", async () => (await view(gateway, session)).queuedSendBytes > 0n);
  await scene.far.order({ cmd: "reset", port: session.local?.port });
  const errors = (await outcomes).flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
  const dead = errors.find(({ reason }) => reason === "SOCKET_NOT_CONNECTED");
  await fails(Promise.reject(dead), "SOCKET_NOT_CONNECTED", "aborted", ["sessionId", "itemsWritten"]);
});

scenario("E10-payload-invalid", async (scene) => {
  const { session } = await connected(scene, "silent");
  await fails(session.send([]), "PAYLOAD_INVALID", "invalid_argument");
  await fails(session.send(new Uint8Array()), "PAYLOAD_INVALID", "invalid_argument");
});

scenario("E11-wait-for-invalid", async (scene) => {
  const gateway = await scene.open();
  const connecting = gateway.connect(scene.far.host, scene.far.port("echo"), { waitFor: "(" });
  await fails(connecting, "WAIT_FOR_INVALID", "invalid_argument");
});

scenario("E12-send-invalid", async (scene) => {
  const error = await fails((await scene.open()).udpOut("", 9, "x"), "SEND_INVALID", "invalid_argument");
  assert.deepEqual(
    error.violations.map(({ field }) => field),
    ["host"],
  );
});

scenario("E13-udp-send-failed", async (scene) => {
  const sending = (await scene.open()).udpOut("127.255.255.255", 9, "x");
  await fails(sending, "UDP_SEND_FAILED", "failed_precondition", ["host", "port", "errno"]);
});

scenario("E14-udp-error", async (scene) => {
  const binding = (await scene.open()).udpIn(0, { host: "192.0.2.1" });
  assert.equal((await fails(binding, "UDP_ERROR", "failed_precondition")).errno, "EADDRNOTAVAIL");
});

scenario("E15-timeout", async (scene) => {
  const { session } = await connected(scene, "silent", true);
  await fails(session.exchange("x", { timeout: 200, settleTimeout: 0 }), "TIMEOUT", "deadline_exceeded", ["sessionId"]);
});

scenario("E16-transport-error", async (scene) => {
  const { session } = await connected(scene, "silent");
  await scene.far.order({ cmd: "reset", port: session.local?.port });
  const { error } = await eventOf(session, "error");
  assert.deepEqual([error?.reason, error?.errno], ["TRANSPORT_ERROR", "ECONNRESET"]);
});

scenario("E17-frame-too-long", async (scene) => {
  const { session } = await connected(scene, "long_line", true);
  await fails(session.exchange("go"), "FRAME_TOO_LONG", "resource_exhausted");
  assert.equal((await session.closed).reason, "error");
});

scenario("E18-limit-reached", async (scene) => {
  const own = await scene.gateway("limits.listeners=1");
  const gateway = await scene.open({}, own.address);
  await gateway.listen(0, { host: "127.0.0.1" });
  const error = await fails(gateway.listen(0, { host: "127.0.0.1" }), "LIMIT_REACHED", "resource_exhausted", ["limit"]);
  assert.match(error.metadata.limit ?? "", /^(limits\.)?listeners$/);
  assert.equal(error.metadata.value, "1");
});

scenario("E19-policy-denied", async (scene) => {
  const own = await scene.gateway("policy.profile=internet");
  const gateway = await scene.open({}, own.address);
  const connecting = gateway.connect(scene.far.host, scene.far.port("echo"));
  await fails(connecting, "POLICY_DENIED", "permission_denied", ["rule"]);
});

scenario("E20-write-offset-mismatch", async (scene) => {
  const { session } = await connected(scene, "sink");
  const sending = session.send("x", { expectedWriteOffset: 7n });
  assert.equal((await fails(sending, "WRITE_OFFSET_MISMATCH", "failed_precondition")).metadata.writeOffset, "0");
});

scenario("E21-request-invalid", async (scene) => {
  const { sessions } = (await scene.open()).stubs;
  const error = await fails(sessions.listSessions({ pageSize: 5000 }), "REQUEST_INVALID", "invalid_argument");
  assert.deepEqual(
    error.violations.map(({ field }) => field),
    ["page_size"],
  );
});

async function subscribed(gateway: Gateway, request: Parameters<Gateway["stubs"]["sockets"]["subscribe"]>[0]) {
  const abort = new AbortController();
  const messages = gateway.stubs.sockets.subscribe(request, { signal: abort.signal })[Symbol.asyncIterator]();
  const start = (await messages.next()).value?.start;
  assert.ok(start);
  return { start, messages, abort };
}

scenario("E22-instance-changed", async (scene) => {
  const gateway = await scene.open();
  const resume = { instanceId: "another", epoch: "x", afterSequence: 0n };
  const refused = subscribed(gateway, { subscriber: `resumed-${randomUUID()}`, resume });
  await fails(refused, "INSTANCE_CHANGED", "failed_precondition", ["instanceId"]);
});

scenario("E23-epoch-changed", async (scene) => {
  const gateway = await scene.open();
  const subscriber = `resumed-${randomUUID()}`;
  const { start, abort } = await subscribed(gateway, { subscriber });
  abort.abort();
  const resume = { instanceId: start.instanceId, epoch: "another", afterSequence: 0n };
  await fails(subscribed(gateway, { subscriber, resume }), "EPOCH_CHANGED", "failed_precondition", ["epoch"]);
});

scenario("E24-stream-stalled", async (scene) => {
  const own = await scene.gateway(
    "limits.stall_timeout=1s",
    "limits.subscriber_backlog_bytes=65536",
    "limits.session_backlog_bytes=65536",
  );
  const relay = await Relay.to(scene.far, own.port);
  const direct = await scene.open({}, own.address);
  const through = await scene.open({}, relay.address);
  const subscriber = `stalled-${randomUUID()}`;
  const { messages } = await subscribed(through, { subscriber });
  await relay.tell("pause");
  const { host } = scene.far;
  const { sessionId } = await direct.stubs.sockets.tcpConnect({ host, port: scene.far.port("source"), subscriber });
  await direct.stubs.sockets.tcpSend({ sessionId, payload: [{ item: { case: "text", value: "67108864\n" } }] });
  await until("reading is paused", async () => (await view(direct, { id: sessionId })).readPaused);
  // Only time makes a stall.
  await new Promise((resolve) => setTimeout(resolve, 4000));
  await relay.tell("resume");
  const reading = (async () => {
    while ((await messages.next()).done !== true) {
      // On to the end.
    }
  })();
  await fails(reading, "STREAM_STALLED", "resource_exhausted");
});

scenario("E25-shutting-down", async (scene) => {
  const own = await scene.gateway();
  const gateway = await scene.open({ reconnectTimeout: 100 }, own.address);
  const { messages } = await subscribed(gateway, { subscriber: `last-${randomUUID()}` });
  const ended = fails(messages.next(), "SHUTTING_DOWN", "unavailable");
  await own.terminate();
  await ended;
});

scenario("E26-session-ended", async (scene) => {
  const { gateway, session } = await connected(scene, "silent", true);
  const asked = fails(session.exchange("x"), "SESSION_ENDED", "aborted", ["sessionId", "closeReason"]);
  await until("it is asked", async () => (await view(gateway, session)).exchangeActive);
  await session.abort();
  await asked;
});

scenario("E30-unreachable", async (scene) => {
  const target = `${scene.far.host}:${scene.far.port("refused")}`;
  const error = await fails(Gateway.open(target, { openTimeout: 500 }), "", "unavailable");
  assert.ok(error.message.includes(target), error.message);
});

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Answer,
  type AttachRequestSchema,
  ChangeKind,
  DeliveryMode,
  Event,
  LineTerminator,
  SessionKind,
  SessionState,
  TcpMode,
} from "../../src/proto.js";
import { scenario, until } from "./suite.js";

scenario("C90-lists", async (scene) => {
  const gateway = await scene.open();
  const listener = await gateway.listen(0, { host: "127.0.0.1" });
  const session = await gateway.connect(scene.far.host, scene.far.port("silent"));
  const socket = await gateway.udpIn(0, { host: "127.0.0.1" });
  const { sessions: stub } = gateway.stubs;
  const { subscriber } = gateway;
  const all = await stub.listSessions({ subscriber });
  const shown = new Map(all.sessions.map(({ sessionId, kind, state }) => [sessionId, [kind, state]]));
  assert.deepEqual(shown.get(session.id), [SessionKind.TCP_OUTBOUND, SessionState.CONNECTED]);
  assert.deepEqual(shown.get(socket.id), [SessionKind.UDP, SessionState.LISTENING]);
  const paged: string[] = [];
  let pageToken = "";
  do {
    const page = await stub.listSessions({ subscriber, pageSize: 1, pageToken });
    paged.push(...page.sessions.map(({ sessionId }) => sessionId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  assert.deepEqual(paged.toSorted(), [session.id, socket.id].toSorted());
  const { listeners } = await stub.listListeners({ pageSize: 1000 });
  assert.ok(listeners.some(({ listenerId }) => listenerId === listener.id));
  const { subscribers } = await stub.listSubscribers({ pageSize: 1000 });
  const found = subscribers.find(({ name }) => name === subscriber);
  assert.deepEqual([found?.streams, found?.acknowledged], [1, true]);
});

scenario("C91-watch", async (scene) => {
  const gateway = await scene.open();
  const port = scene.far.port("silent");
  const a = await gateway.connect(scene.far.host, port);
  const abort = new AbortController();
  const changes = gateway.stubs.sessions.watch({}, { signal: abort.signal })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await changes.next();
    assert.ok(done !== true);
    return value;
  };
  const subject = (change: Awaited<ReturnType<typeof next>>) =>
    change.subject.case === "session" ? change.subject.value.sessionId : undefined;
  assert.equal((await next()).kind, ChangeKind.SNAPSHOT_BEGIN);
  let seen = false;
  for (let change = await next(); change.kind !== ChangeKind.SNAPSHOT_END; change = await next()) {
    assert.equal(change.kind, ChangeKind.ADDED);
    seen ||= subject(change) === a.id;
  }
  assert.ok(seen);
  const b = await gateway.connect(scene.far.host, port);
  await b.disconnect();
  const kinds: ChangeKind[] = [];
  while (kinds.at(-1) !== ChangeKind.REMOVED) {
    const change = await next();
    if (subject(change) === b.id) {
      kinds.push(change.kind);
    }
  }
  assert.equal(kinds[0], ChangeKind.ADDED);
  assert.ok(kinds.slice(1, -1).every((kind) => kind === ChangeKind.CHANGED));
  abort.abort();
});

scenario("C92-plain-subscribe", async (scene) => {
  const { sockets } = (await scene.open()).stubs;
  const subscriber = `plain-${randomUUID()}`;
  const abort = new AbortController();
  const messages = sockets.subscribe({ subscriber }, { signal: abort.signal })[Symbol.asyncIterator]();
  const start = await messages.next();
  assert.ok(start.value?.start);
  const { sessionId } = await sockets.tcpConnect({
    host: scene.far.host,
    port: scene.far.port("answers"),
    mode: TcpMode.LINE,
    subscriber,
  });
  const payload = [{ item: { case: "text" as const, value: "plain" } }];
  await sockets.tcpSend({ sessionId, payload, lineTerminator: LineTerminator.LF });
  const envelopes = [];
  while (envelopes.length < 3) {
    envelopes.push(...((await messages.next()).value?.envelopes ?? []));
  }
  assert.deepEqual(
    envelopes.map(({ event, sequence }) => [event, sequence]),
    [
      [Event.CONNECTING, 1n],
      [Event.CONNECTED, 2n],
      [Event.DATA, 3n],
    ],
  );
  const { detail } = envelopes[2] ?? { detail: undefined };
  assert.deepEqual(detail?.case === "data" && detail.value.payload, { case: "text", value: "re: plain" });
  await sockets.tcpDisconnect({ sessionId });
  let last: Event | undefined;
  while (last !== Event.DISCONNECTED) {
    for (const { event } of (await messages.next()).value?.envelopes ?? []) {
      assert.ok([Event.DISCONNECTING, Event.DISCONNECTED].includes(event));
      last = event;
    }
  }
  abort.abort();
});

scenario("C93-attach-commands", async (scene) => {
  const { sockets } = (await scene.open()).stubs;
  const { sessionId } = await sockets.tcpConnect({
    host: scene.far.host,
    port: scene.far.port("answers"),
    subscriber: "attached",
  });
  type Request = MessageInitShape<typeof AttachRequestSchema>;
  const text = (value: string) => ({ item: { case: "text" as const, value } });
  const commands: Request[] = [
    {
      command: {
        case: "subscribe",
        value: { subscription: { subscriber: `attached-${randomUUID()}` }, deliveryMode: DeliveryMode.ACKNOWLEDGED },
      },
    },
    { correlationId: 11n, command: { case: "tcpSend", value: { sessionId, payload: [text("up")] } } },
    {
      correlationId: 12n,
      command: { case: "udpOut", value: { host: scene.far.host, port: scene.far.port("udp_echo"), payload: text("up") } },
    },
    { correlationId: 13n, command: { case: "tcpSend", value: { sessionId: "nobody", payload: [text("up")] } } },
    { correlationId: 14n, command: { case: "tcpDisconnect", value: { sessionId } } },
  ];
  const abort = new AbortController();
  let over: () => void = () => undefined;
  const whileNeeded = new Promise<void>((resolve) => {
    over = resolve;
  });
  async function* up() {
    yield* commands;
    await whileNeeded;
  }
  const answers = new Map<bigint, Answer["result"]>();
  for await (const message of sockets.attach(up(), { signal: abort.signal })) {
    for (const answer of message.answers) {
      answers.set(answer.correlationId, answer.result);
    }
    if (answers.size === 4) {
      break;
    }
  }
  over();
  abort.abort();
  assert.equal(answers.get(11n)?.case, "tcpSend");
  assert.equal(answers.get(12n)?.case, "udpOut");
  const nobody = answers.get(13n);
  assert.equal(nobody?.case === "error" && nobody.value.errorCode, "SESSION_NOT_FOUND");
  assert.equal(answers.get(14n)?.case, "tcpDisconnect");
  assert.ok(create);
});

scenario("C94-close", async (scene) => {
  const gateway = await scene.open();
  const witness = await scene.open();
  const session = await gateway.connect(scene.far.host, scene.far.port("silent"));
  const reading = session.read().catch(() => undefined);
  await gateway.close();
  assert.equal(await reading, undefined);
  await until("no stream is attached", async () => {
    const { subscribers } = await witness.stubs.sessions.listSubscribers({ pageSize: 1000 });
    return (subscribers.find(({ name }) => name === gateway.subscriber)?.streams ?? 0) === 0;
  });
});

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  ClosedError,
  type ConnectionState,
  Gateway,
  GatewayUnavailableError,
  InstanceChangedError,
  SessionClosedError,
  UnconfirmedError,
} from "../src/node.js";
import { GatewayProcess, Wire } from "./support/gateway.js";
import { all, eventually, Peer, pattern, take } from "./support/peers.js";

describe("a broken connection to the gateway", () => {
  let process: GatewayProcess;

  before(async () => {
    process = await GatewayProcess.start();
  });
  after(() => process.kill());

  test("is resumed without a gap and without doubles, cut again and again, for what comes", async () => {
    const size = 6 * 1024 * 1024;
    await using peer = await Peer.start((socket) => socket.end(pattern(0, size)));
    await using wire = await Wire.to(process.port);
    await using gateway = await Gateway.open(wire.address);
    const session = await gateway.connect("127.0.0.1", peer.port);
    let at = 0;
    let next = size / 20;
    for await (const chunk of session.chunks()) {
      assert.ok(pattern(at, chunk.length).equals(chunk), `at ${at}`);
      at += chunk.length;
      if (at >= next) {
        next += size / 20;
        wire.cut();
      }
    }
    assert.equal(at, size);
    assert.ok(wire.connections >= 10, `only ${wire.connections} connections`);
  });

  test("is resumed, and what is sent is written once, cut again and again", async () => {
    await using peer = await Peer.start();
    await using wire = await Wire.to(process.port);
    await using gateway = await Gateway.open(wire.address);
    await using session = await gateway.connect("127.0.0.1", peer.port);
    const socket = await peer.next();
    const piece = 3000;
    const count = 600;
    const receiving = take(socket, piece * count);
    for (let sent = 0; sent < count; sent += 1) {
      const sending = session.send(pattern(sent * piece, piece));
      if (sent % 40 === 0) {
        // Before it is written, while it is, or before its answer is here: whatever this hits.
        await new Promise((resolve) => setTimeout(resolve, sent / 200));
        wire.cut();
      }
      assert.equal((await sending).writeOffset, BigInt((sent + 1) * piece));
    }
    assert.ok((await receiving).equals(pattern(0, piece * count)));
    assert.ok(wire.connections >= 5, `only ${wire.connections} connections`);
  });

  test("that lasts keeps sends and readers waiting until it is mended", async () => {
    await using peer = await Peer.echo();
    await using wire = await Wire.to(process.port);
    const states: ConnectionState[] = [];
    await using gateway = await Gateway.open(wire.address, { onState: (state) => states.push(state) });
    await using session = await gateway.connect("127.0.0.1", peer.port, { mode: "line", terminator: "lf" });
    wire.break();
    await eventually("it is noticed", () => gateway.state === "connecting");
    const sending = session.send("through the storm");
    const dialling = gateway.connect("127.0.0.1", peer.port);
    await new Promise((resolve) => setTimeout(resolve, 100));
    wire.mend();
    await sending;
    assert.equal(await session.readLine(), "through the storm");
    await (await dialling).abort();
    assert.deepEqual(states, ["open", "connecting", "open"]);
  });

  test("that falls silent is noticed by its missing heartbeats", async () => {
    await using peer = await Peer.echo();
    await using wire = await Wire.to(process.port);
    await using gateway = await Gateway.open(wire.address, { heartbeat: 1000 });
    await using session = await gateway.connect("127.0.0.1", peer.port);
    wire.silence();
    await eventually("it is taken for dead", () => gateway.state !== "open");
    await eventually("it is made anew", () => gateway.state === "open");
    await session.send("hello");
    assert.equal(Buffer.from(await session.readExactly(5)).toString(), "hello");
  });

  test("leaves a send in doubt only where others write as well", async () => {
    await using peer = await Peer.start();
    await using wire = await Wire.to(process.port);
    await using gateway = await Gateway.open(wire.address);
    await using owner = await Gateway.open(process.address);
    const session = await owner.connect("127.0.0.1", peer.port);
    const shared = await gateway.session(session.id);
    wire.silence();
    // Never written by the gateway, but that cannot be known here, for the offset was never told.
    const sending = shared.send("lost?");
    await new Promise((resolve) => setTimeout(resolve, 50));
    wire.cut();
    await assert.rejects(sending, UnconfirmedError);
  });

  test("that does not come back in time ends every session, loudly", async () => {
    await using peer = await Peer.echo();
    await using wire = await Wire.to(process.port);
    await using gateway = await Gateway.open(wire.address, { reconnectTimeout: 200 });
    const session = await gateway.connect("127.0.0.1", peer.port);
    const listener = await gateway.listen(0, { host: "127.0.0.1" });
    const reading = all(session.chunks());
    const accepting = listener.accept();
    wire.break();
    await assert.rejects(reading, (error) => error instanceof SessionClosedError && error.closeReason === "gateway_lost");
    await assert.rejects(accepting, GatewayUnavailableError);
    assert.equal(gateway.state, "closed");
    await assert.rejects(session.send("x"), SessionClosedError);
    await assert.rejects(gateway.connect("127.0.0.1", peer.port), GatewayUnavailableError);
  });

  test("to a gateway that was restarted is told as such, and the object goes on with the new one", async () => {
    await using peer = await Peer.echo();
    const first = await GatewayProcess.start();
    await using gateway = await Gateway.open(first.address);
    const session = await gateway.connect("127.0.0.1", peer.port, { mode: "line" });
    const listener = await gateway.listen(0, { host: "127.0.0.1" });
    const socket = await gateway.udpIn(0, { host: "127.0.0.1" });
    const reading = all(session.lines());
    const accepting = all(listener);
    const receiving = all(socket);
    await first.kill();
    await using second = await GatewayProcess.start([], first.address);
    await assert.rejects(reading, (error) => {
      assert.ok(error instanceof SessionClosedError);
      assert.equal(error.closeReason, "instance_changed");
      assert.ok(error.cause instanceof InstanceChangedError);
      return true;
    });
    await assert.rejects(accepting, InstanceChangedError);
    await assert.rejects(receiving, SessionClosedError);
    assert.equal((await session.closed).reason, "instance_changed");
    const again = await gateway.connect("127.0.0.1", peer.port, { mode: "line", terminator: "lf" });
    assert.equal((await again.exchange("new")).text, "new");
    assert.notEqual(second.address, "");
  });
});

describe("opening a gateway", () => {
  test("where none is fails in time, and says so", async () => {
    const peer = await Peer.start();
    const { port } = peer;
    await peer[Symbol.asyncDispose]();
    await assert.rejects(Gateway.open(`127.0.0.1:${port}`, { openTimeout: 100 }), (error) => {
      assert.ok(error instanceof GatewayUnavailableError);
      assert.match(error.message, /ECONNREFUSED/);
      return true;
    });
  });

  test("waits for one that is just starting", async () => {
    const peer = await Peer.start();
    const { port } = peer;
    await peer[Symbol.asyncDispose]();
    const opening = Gateway.open(`127.0.0.1:${port}`, { openTimeout: 30_000 });
    await using process = await GatewayProcess.start([], `127.0.0.1:${port}`);
    const gateway = await opening;
    await gateway.close();
    assert.notEqual(process.address, "");
  });

  test("is given up by a signal", async () => {
    await using silent = await Peer.start();
    const signal = AbortSignal.timeout(50);
    await assert.rejects(
      Gateway.open(`127.0.0.1:${silent.port}`, { signal, openTimeout: 60_000 }),
      (error) => error === signal.reason,
    );
  });

  test("with a senseless target says what to write", async () => {
    await assert.rejects(Gateway.open("tcp://x:1"), TypeError);
    await assert.rejects(Gateway.open("a b"), /host:port/);
  });
});

describe("closing a gateway object", () => {
  test("ends its sessions in order, and refuses what comes later", async () => {
    await using process = await GatewayProcess.start();
    await using peer = await Peer.echo();
    const gateway = await Gateway.open(process.address);
    const session = await gateway.connect("127.0.0.1", peer.port);
    const listener = await gateway.listen(0, { host: "127.0.0.1" });
    await session.send("bye");
    await gateway.close();
    await gateway.close();
    await listener.closed;
    await assert.rejects(gateway.connect("127.0.0.1", peer.port), ClosedError);
    assert.ok(["by_request", "detached"].includes((await session.closed).reason));
    await using witness = await Gateway.open(process.address);
    await assert.rejects(witness.session(session.id));
  });

  test("detached, leaves them to the next object of the same name, with what it had not read", async () => {
    await using process = await GatewayProcess.start();
    await using peer = await Peer.start((socket) => socket.write("unread\n"));
    const first = await Gateway.open(process.address, { subscriber: "crew" });
    const session = await first.connect("127.0.0.1", peer.port, { mode: "line" });
    await first.detach();
    assert.equal((await session.closed).reason, "detached");
    await using second = await Gateway.open(process.address, { subscriber: "crew" });
    for await (const found of second.incoming()) {
      assert.equal(found.id, session.id);
      assert.equal(found.mode, "line");
      assert.equal(await found.readLine(), "unread");
      await found.disconnect();
      break;
    }
  });
});

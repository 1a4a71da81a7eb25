import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { AbstractConnector, Redis } from "ioredis";
import { Gateway, LimitReachedError, ListenFailedError, SessionSocket, UdpError } from "../src/node.js";
import { GatewayProcess } from "./support/gateway.js";
import { all, eventually, Peer, pattern, take } from "./support/peers.js";
import { redisServer } from "./support/programs.js";

const MULTICAST = "239.77.83.1";

describe("sockets of the gateway", () => {
  let process: GatewayProcess;
  let gateway: Gateway;

  before(async () => {
    process = await GatewayProcess.start();
    gateway = await Gateway.open(process.address);
  });
  after(async () => {
    await gateway.close();
    await process.kill();
  });

  async function dial(port: number): Promise<Socket> {
    const socket = createConnection(port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  }

  test("a listener yields each accepted session, and ends when it is closed", async () => {
    const listener = await gateway.listen(0, { host: "127.0.0.1", mode: "line", terminator: "lf" });
    const serving = (async () => {
      let served = 0;
      for await (const session of listener) {
        served += 1;
        void (async () => {
          for await (const line of session.lines()) {
            await session.send(`you said ${line}`);
          }
        })();
      }
      return served;
    })();
    const visitors = await Promise.all(Array.from({ length: 20 }, () => dial(listener.local.port)));
    await Promise.all(
      visitors.map(async (visitor, at) => {
        visitor.write(`hello ${at}\r\n`);
        const expected = `you said hello ${at}\n`;
        assert.equal((await take(visitor, expected.length)).toString(), expected);
        visitor.end();
      }),
    );
    await listener.close();
    assert.equal(await serving, 20);
    await assert.rejects(dial(listener.local.port));
  });

  test("closing a listener with its sessions ends them", async () => {
    const listener = await gateway.listen(0, { host: "127.0.0.1" });
    const visitor = await dial(listener.local.port);
    const session = await listener.accept();
    assert.equal(session?.listenerId, listener.id);
    assert.equal(session?.remote?.port, visitor.localPort);
    await listener.close({ sessions: true });
    assert.equal((await session?.closed)?.reason, "by_request");
  });

  test("sessions that nobody took are still to be had after their end", async () => {
    await using listener = await gateway.listen(0, { host: "127.0.0.1" });
    const visitor = await dial(listener.local.port);
    visitor.end("gone already");
    await once(visitor, "close");
    const session = await listener.accept();
    assert.ok(session);
    assert.equal(Buffer.concat(await all(session.chunks())).toString(), "gone already");
  });

  test("a port in use is a ListenFailedError with its errno", async () => {
    await using listener = await gateway.listen(0, { host: "127.0.0.1" });
    await assert.rejects(
      gateway.listen(listener.local.port, { host: "127.0.0.1" }),
      (error) => error instanceof ListenFailedError && error.errno === "EADDRINUSE",
    );
  });

  test("datagrams come with their sender, and are answered from the port they came to", async () => {
    await using socket = await gateway.udpIn(0, { host: "127.0.0.1" });
    const far = createSocket("udp4");
    far.bind(0, "127.0.0.1");
    await once(far, "listening");
    far.send("ping", socket.local.port, "127.0.0.1");
    far.send(Buffer.alloc(0), socket.local.port, "127.0.0.1");
    const answered = once(far, "message");
    const datagram = await socket.receive();
    assert.equal(datagram?.text, "ping");
    assert.equal(datagram?.sender.port, far.address().port);
    assert.deepEqual((await socket.receive())?.bytes, new Uint8Array());
    assert.equal((await datagram?.reply("pong"))?.bytes, 4);
    const [message, from] = await answered;
    assert.deepEqual([message.toString(), from.port], ["pong", socket.local.port]);
    const again = once(far, "message");
    assert.equal((await gateway.udpOut("127.0.0.1", far.address().port, Buffer.from([0, 255]))).bytes, 2);
    assert.deepEqual((await again)[0], Buffer.from([0, 255]));
    await socket.close();
    assert.equal(await socket.receive(), undefined);
    far.close();
  });

  test("multicast reaches who joined the group", async () => {
    await using socket = await gateway.udpIn(0, { groups: [{ address: MULTICAST, interface: "127.0.0.1" }] });
    assert.deepEqual(socket.groups, [MULTICAST]);
    await gateway.udpOut(MULTICAST, socket.local.port, "to all", { multicastInterface: "127.0.0.1", multicastTtl: 0 });
    assert.equal((await socket.receive())?.text, "to all");
    await assert.rejects(gateway.udpIn(0, { groups: ["10.0.0.1"] }), (error) => error instanceof Error);
    await assert.rejects(
      gateway.udpIn(socket.local.port, { host: "127.0.0.1", groups: [], reuseAddress: false }),
      (error) => error instanceof UdpError && error.errno === "EADDRINUSE",
    );
  });

  test("a slow reader holds up its own session, nobody else, and not without bound", async () => {
    let handed = 0;
    const size = 64 * 1024 * 1024;
    await using flood = await Peer.start((socket) => {
      const more = () => {
        while (handed < size && socket.writable) {
          handed += 64 * 1024;
          if (!socket.write(pattern(handed - 64 * 1024, 64 * 1024))) {
            socket.once("drain", more);
            return;
          }
        }
        socket.end();
      };
      more();
    });
    await using echo = await Peer.echo();
    const slow = await gateway.connect("127.0.0.1", flood.port);
    await using prompt = await gateway.connect("127.0.0.1", echo.port, { mode: "line", terminator: "lf" });
    let before = -1;
    await eventually("the flood stands still", async () => {
      const still = handed === before;
      before = handed;
      await new Promise((resolve) => setTimeout(resolve, 150));
      return still;
    });
    assert.ok(handed < size / 2, `${handed} bytes were taken of a session that nobody reads`);
    for (let at = 0; at < 50; at += 1) {
      assert.equal((await prompt.exchange(`${at}`)).text, `${at}`);
      await prompt.send("x");
      assert.equal(await prompt.readLine(), "x");
    }
    let at = 0;
    for await (const chunk of slow.chunks()) {
      assert.ok(pattern(at, chunk.length).equals(chunk), `at ${at}`);
      at += chunk.length;
    }
    assert.equal(at, size);
  });

  test("a peer that does not read holds up its own sends, nobody else's", async () => {
    await using stuck = await Peer.start((socket) => socket.pause());
    await using echo = await Peer.echo();
    const session = await gateway.connect("127.0.0.1", stuck.port);
    let written = 0;
    const sending = (async () => {
      for (;;) {
        await session.send(pattern(0, 256 * 1024));
        written += 1;
      }
    })();
    let before = -1;
    await eventually("the sends stand still", async () => {
      const still = written === before;
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 150));
      return still;
    });
    await using prompt = await gateway.connect("127.0.0.1", echo.port);
    await prompt.send("at once");
    assert.equal(Buffer.from(await prompt.readExactly(7)).toString(), "at once");
    const abandoned = new AbortController();
    const waiting = session.send("never begun", { signal: abandoned.signal });
    abandoned.abort();
    await assert.rejects(waiting);
    await session.abort();
    await assert.rejects(sending);
  });

  test("two hundred sessions at once keep apart", async () => {
    await using echo = await Peer.echo();
    await Promise.all(
      Array.from({ length: 200 }, async (_, at) => {
        await using session = await gateway.connect("127.0.0.1", echo.port, { mode: "line", terminator: "lf" });
        for (let round = 0; round < 5; round += 1) {
          await session.send(`${at}/${round}`);
          assert.equal(await session.readLine(), `${at}/${round}`);
        }
      }),
    );
  });

  test("a limit of the gateway is a LimitReachedError that names it", async () => {
    await using small = await GatewayProcess.start(["--set", "limits.sessions=1"]);
    await using one = await Gateway.open(small.address);
    await using echo = await Peer.echo();
    await one.connect("127.0.0.1", echo.port);
    await assert.rejects(
      one.connect("127.0.0.1", echo.port),
      (error) => error instanceof LimitReachedError && error.limit === "sessions",
    );
  });

  test("readline runs over a session", async () => {
    await using peer = await Peer.start((socket) => socket.end("a\nb\nc"));
    const socket = new SessionSocket(await gateway.connect("127.0.0.1", peer.port));
    assert.deepEqual(await all(createInterface({ input: socket })), ["a", "b", "c"]);
    assert.equal(socket.remotePort, peer.port);
  });

  test("a stream of Node carries back-pressure and ends both ways", async () => {
    await using peer = await Peer.echo();
    const socket = new SessionSocket(await gateway.connect("127.0.0.1", peer.port));
    const size = 3 * 1024 * 1024;
    const echoed: Buffer[] = [];
    let count = 0;
    const done = new Promise<void>((resolve) =>
      socket.on("data", (chunk: Buffer) => {
        echoed.push(chunk);
        count += chunk.length;
        if (count === size) {
          resolve();
        }
      }),
    );
    for (let at = 0; at < size; at += 64 * 1024) {
      if (!socket.write(pattern(at, 64 * 1024))) {
        await once(socket, "drain");
      }
    }
    await done;
    assert.ok(Buffer.concat(echoed).equals(pattern(0, size)));
    socket.end();
    await once(socket, "close");
    assert.equal((await socket.session.closed).reason, "by_request");
  });

  test("a stream of Node reports a reset, silence, and is destroyed", async () => {
    await using peer = await Peer.start();
    const socket = new SessionSocket(await gateway.connect("127.0.0.1", peer.port));
    socket.setTimeout(20);
    await once(socket, "timeout");
    socket.resume();
    (await peer.next()).resetAndDestroy();
    const [error] = await once(socket, "error");
    assert.match(String(error), /peer_reset/);
    const other = new SessionSocket(await gateway.connect("127.0.0.1", peer.port));
    other.destroy();
    await once(other, "close");
    assert.equal((await other.session.closed).reason, "abort");
  });

  test("a Redis client runs over a session", async () => {
    const server = await redisServer();
    await using _ = server.program;
    class OverGateway extends AbstractConnector {
      constructor() {
        super(0);
      }
      async connect() {
        const session = await gateway.connect("127.0.0.1", server.port);
        this.stream = new SessionSocket(session) as never;
        return this.stream as never;
      }
    }
    const redis = new Redis({ Connector: OverGateway as never });
    await redis.set("fruit", "apple");
    assert.equal(await redis.get("fruit"), "apple");
    const big = pattern(0, 2 * 1024 * 1024);
    await redis.set("big", big);
    assert.ok((await redis.getBuffer("big"))?.equals(big));
    assert.deepEqual(await redis.multi().incr("n").incr("n").exec(), [
      [null, 1],
      [null, 2],
    ]);
    await redis.quit();
  });
});

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  ConnectFailedError,
  Gateway,
  InvalidRequestError,
  LineEncodingError,
  SessionClosedError,
  SessionIdConflictError,
  SessionNotFoundError,
  TimeoutError,
} from "../src/node.js";
import { GatewayProcess } from "./support/gateway.js";
import { all, eventually, Peer, pattern, take } from "./support/peers.js";

describe("a session", () => {
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

  test("sends and reads lines, and ends with the peer's FIN", async () => {
    await using peer = await Peer.start((socket) => socket.end("one\r\ntwo\rthree\nrest"));
    const session = await gateway.connect("127.0.0.1", peer.port, { mode: "line" });
    assert.deepEqual(await all(session.lines()), ["one", "two", "three", "rest"]);
    const end = await session.closed;
    assert.equal(end.reason, "peer_closed");
    assert.equal(end.bytesReceived, 19n);
    assert.equal(session.remote?.port, peer.port);
  });

  test("is byte exact both ways for ten megabytes", async () => {
    await using peer = await Peer.echo();
    await using session = await gateway.connect("127.0.0.1", peer.port);
    const size = 10 * 1024 * 1024;
    const sent = pattern(0, size);
    const sending = session.send(sent);
    let at = 0;
    for await (const chunk of session.chunks()) {
      assert.ok(sent.subarray(at, at + chunk.length).equals(chunk), `at ${at}`);
      at += chunk.length;
      if (at === size) {
        break;
      }
    }
    assert.equal((await sending).writeOffset, BigInt(size));
  });

  test("keeps the order of sends that are not awaited", async () => {
    await using peer = await Peer.start();
    await using session = await gateway.connect("127.0.0.1", peer.port, { terminator: "lf" });
    const sends = Array.from({ length: 2000 }, (_, at) => session.send(`${at}`));
    const expected = `${Array.from({ length: 2000 }, (_, at) => at).join("\n")}\n`;
    const socket = await peer.next();
    assert.equal((await take(socket, expected.length)).toString(), expected);
    await Promise.all(sends);
  });

  test("exchanges, with captures and named groups", async () => {
    await using peer = await Peer.start((socket) =>
      socket.on("data", () => socket.write("250-hello\r\n250-8BIT\r\n250 id=x7\r\n")),
    );
    await using session = await gateway.connect("127.0.0.1", peer.port, { mode: "line", terminator: "crlf" });
    const answer = await session.exchange("EHLO", { waitFor: /^250 id=(?<id>\w+)/, timeout: 10_000 });
    assert.equal(answer.end, "match");
    assert.deepEqual(
      answer.frames.map((line) => line.text),
      ["250-hello", "250-8BIT"],
    );
    assert.equal(answer.text, "250 id=x7");
    assert.equal(answer.groups.id, "x7");
    assert.equal(answer.captures[0]?.text, "x7");
    assert.equal(answer.writeOffset, 6n);
  });

  test("an exchange without its answer is a timeout", async () => {
    await using peer = await Peer.start();
    await using session = await gateway.connect("127.0.0.1", peer.port, { mode: "line" });
    await assert.rejects(session.exchange("?", { waitFor: "^never$", timeout: 100, settleTimeout: 0 }), (error) => {
      assert.ok(error instanceof TimeoutError);
      assert.deepEqual([error.code, error.reason, error.sessionId], ["deadline_exceeded", "TIMEOUT", session.id]);
      return true;
    });
    await session.send("again");
  });

  test("an exchange is given up by a signal", async () => {
    await using peer = await Peer.start();
    await using session = await gateway.connect("127.0.0.1", peer.port, { mode: "line" });
    const reason = new Error("enough");
    const abort = new AbortController();
    const asked = session.exchange("?", { waitFor: "^never$", settleTimeout: 0, signal: abort.signal });
    await take(await peer.next(), 1);
    abort.abort(reason);
    await assert.rejects(asked, (error) => error === reason);
  });

  test("collects lines until waitFor matches, prompts without line end included", async () => {
    await using peer = await Peer.start((socket) => socket.write("Welcome\r\nto the board\r\nlogin: "));
    await using session = await gateway.connect("127.0.0.1", peer.port, { waitFor: /^(login|password): $/ });
    assert.equal(session.mode, "line");
    const match = await session.readMatch();
    assert.deepEqual(match?.lines.map(String), ["Welcome", "to the board"]);
    assert.equal(match?.match?.text, "login: ");
    assert.equal(match?.captures[0]?.text, "login");
  });

  test("a line that is not UTF-8 is neither altered nor lost", async () => {
    const bytes = Buffer.from([0x66, 0xff, 0x6f]);
    await using peer = await Peer.start((socket) => {
      for (let at = 0; at < 3; at += 1) {
        socket.write(Buffer.concat([bytes, Buffer.from("\n")]));
      }
      socket.end("after\n");
    });
    const session = await gateway.connect("127.0.0.1", peer.port, { mode: "line" });
    await assert.rejects(session.readLine(), (error) => error instanceof LineEncodingError && bytes.equals(error.bytes));
    const [asBytes] = await all(takeOne(session.lines({ invalid: "bytes" })));
    assert.deepEqual(Buffer.from(asBytes as Uint8Array), bytes);
    assert.deepEqual(await all(session.lines({ invalid: "replace" })), ["f\u{fffd}o", "after"]);
  });

  test("reads exactly so many bytes, and loses nothing when given up", async () => {
    await using peer = await Peer.start();
    await using session = await gateway.connect("127.0.0.1", peer.port);
    const socket = await peer.next();
    socket.write("abc");
    const abort = new AbortController();
    const reading = session.readExactly(5, { signal: abort.signal });
    // The three bytes are taken and two are missing.
    await new Promise((resolve) => setTimeout(resolve, 100));
    abort.abort();
    await assert.rejects(reading);
    socket.write("defgh");
    assert.equal(Buffer.from(await session.readExactly(4)).toString(), "abcd");
    assert.equal(Buffer.from(await session.readExactly(3)).toString(), "efg");
    socket.end();
    await assert.rejects(
      session.readExactly(2),
      (error) => error instanceof SessionClosedError && error.closeReason === "peer_closed",
    );
    assert.equal(Buffer.from((await session.read()) ?? []).toString(), "h");
    assert.equal(await session.read(), undefined);
  });

  test("a refused connection is a ConnectFailedError with its errno", async () => {
    const peer = await Peer.start();
    const { port } = peer;
    await peer[Symbol.asyncDispose]();
    await assert.rejects(gateway.connect("127.0.0.1", port), (error) => {
      assert.ok(error instanceof ConnectFailedError);
      assert.deepEqual([error.errno, error.phase, error.reason], ["ECONNREFUSED", "connect", "CONNECT_FAILED"]);
      assert.equal(error.code, "failed_precondition");
      return true;
    });
  });

  test("wrong fields are listed, each", async () => {
    await assert.rejects(gateway.connect("", 70_000), (error) => {
      assert.ok(error instanceof InvalidRequestError);
      assert.deepEqual(
        error.violations.map(({ field }) => field),
        ["host", "port"],
      );
      return true;
    });
    await using peer = await Peer.echo();
    await assert.rejects(
      gateway.connect("127.0.0.1", peer.port, { waitFor: "(" }),
      (error) => error instanceof InvalidRequestError && error.reason === "WAIT_FOR_INVALID",
    );
    await using session = await gateway.connect("127.0.0.1", peer.port);
    await assert.rejects(session.send([]), (error) => error instanceof InvalidRequestError && error.reason === "PAYLOAD_INVALID");
    await assert.rejects(session.send(""), InvalidRequestError);
    await assert.rejects(session.lines().next(), TypeError);
    await assert.rejects(session.readLine(), TypeError);
  });

  test("a forced id is taken once, and free again after the end", async () => {
    await using peer = await Peer.echo();
    const sessionId = `mine-${Math.random()}`;
    const first = await gateway.connect("127.0.0.1", peer.port, { sessionId });
    assert.equal(first.id, sessionId);
    await assert.rejects(gateway.connect("127.0.0.1", peer.port, { sessionId }), SessionIdConflictError);
    await first.abort();
    assert.equal((await first.closed).reason, "abort");
    const second = await gateway.connect("127.0.0.1", peer.port, { sessionId });
    await second.disconnect();
    assert.equal((await second.closed).reason, "by_request");
  });

  test("after its end a send says that it has ended, and why", async () => {
    await using peer = await Peer.start((socket) => socket.end());
    const session = await gateway.connect("127.0.0.1", peer.port);
    await session.closed;
    await assert.rejects(
      session.send("late"),
      (error) => error instanceof SessionClosedError && error.closeReason === "peer_closed",
    );
    await session.disconnect();
    await session.abort();
  });

  test("a reset by the peer is an error for who reads", async () => {
    await using peer = await Peer.start();
    const session = await gateway.connect("127.0.0.1", peer.port);
    (await peer.next()).resetAndDestroy();
    await assert.rejects(
      all(session.chunks()),
      (error) => error instanceof SessionClosedError && error.closeReason === "peer_reset",
    );
  });

  test("with allowHalfOpen it still sends after the peer's FIN", async () => {
    await using peer = await Peer.start();
    const session = await gateway.connect("127.0.0.1", peer.port, { allowHalfOpen: true });
    const socket = await peer.next();
    socket.end("bye");
    for await (const event of session.events()) {
      if (event.kind === "half_closed") {
        break;
      }
    }
    await session.send("and you");
    assert.equal((await take(socket, 7)).toString(), "and you");
    await session.disconnect();
    await session.closed;
    assert.equal(Buffer.concat(await all(session.chunks())).toString(), "bye");
  });

  test("tells inactivity as an event and stays open", async () => {
    await using peer = await Peer.echo();
    await using session = await gateway.connect("127.0.0.1", peer.port, { timeout: 50 });
    for await (const event of session.events()) {
      if (event.kind === "timeout") {
        assert.ok(event.error instanceof TimeoutError);
        break;
      }
    }
    await session.send("still here");
    assert.equal(Buffer.from(await session.readExactly(10)).toString(), "still here");
  });

  test("dials without waiting, and tells how it went", async () => {
    await using peer = await Peer.echo();
    const session = await gateway.connect("127.0.0.1", peer.port, { noWait: true });
    await session.opened();
    assert.equal(session.remote?.port, peer.port);
    await session.abort();
    const { port } = peer;
    await peer[Symbol.asyncDispose]();
    await eventually("it is closed", async () => {
      const failing = await gateway.connect("127.0.0.1", port, { noWait: true });
      return await failing.opened().then(
        () => false,
        (error) => error instanceof ConnectFailedError,
      );
    });
  });

  test("is found by its id from another gateway object, which then gets the data", async () => {
    await using peer = await Peer.echo();
    await using session = await gateway.connect("127.0.0.1", peer.port, { mode: "line" });
    await using other = await Gateway.open(process.address);
    const same = await other.session(session.id, { terminator: "lf" });
    assert.equal(same.mode, "line");
    assert.equal(same.remote?.port, peer.port);
    await same.send("mine");
    assert.equal(await same.readLine(), "mine");
    await session.send("yours\n");
    assert.equal(await session.readLine(), "yours");
    await assert.rejects(other.session("nobody"), SessionNotFoundError);
  });

  test("web streams carry it both ways", async () => {
    await using peer = await Peer.echo();
    const session = await gateway.connect("127.0.0.1", peer.port);
    const writer = session.writable.getWriter();
    const reader = session.readable.getReader();
    await writer.write("hello ");
    await writer.write(Buffer.from("web"));
    let text = "";
    while (text.length < 9) {
      text += Buffer.from((await reader.read()).value ?? []).toString();
    }
    assert.equal(text, "hello web");
    await writer.close();
    assert.equal((await reader.read()).done, true);
    assert.equal((await session.closed).reason, "by_request");
  });
});

async function* takeOne<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const item of source) {
    yield item;
    return;
  }
}

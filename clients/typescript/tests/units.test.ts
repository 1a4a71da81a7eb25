/** What can be told without a gateway. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { badRequestOf, errorInfoOf } from "../src/error_details.js";
import * as errors from "../src/errors.js";
import { Lane } from "../src/lane.js";
import { Lanes } from "../src/lanes.js";
import { urlOf } from "../src/node_transport.js";
import { encoded, Line, lineAs, patternOf } from "../src/payload.js";
import { type Envelope, EnvelopeSchema, ErrorReason, Event } from "../src/proto.js";
import { Reader } from "../src/reader.js";
import { Backoff, duration } from "../src/timing.js";
import { Upstream } from "../src/upstream.js";
import { codeName, fromCall } from "../src/wire_errors.js";

describe("errors", () => {
  test("every reason of the gateway has a class, but for those that only a bug brings", () => {
    const names = Object.values(ErrorReason).filter((name): name is string => typeof name === "string");
    const plain = names.filter((name) => {
      const error = errors.gatewayError({ code: "internal", reason: name, message: "x" });
      return error.constructor === errors.GatewayError;
    });
    assert.deepEqual(
      plain.filter((name) => !["UNSPECIFIED", "INTERNAL"].includes(name)),
      [],
    );
  });

  test("a reason that is not known yet falls back to its code", () => {
    const made = (code: string) => errors.gatewayError({ code, reason: "BRAND_NEW", message: "x" });
    assert.ok(made("unauthenticated") instanceof errors.AuthenticationError);
    assert.ok(made("deadline_exceeded") instanceof errors.TimeoutError);
    assert.equal(made("data_loss").constructor, errors.GatewayError);
    assert.equal(made("data_loss").reason, "BRAND_NEW");
  });

  test("codes are words", () => {
    assert.deepEqual(
      [codeName(Code.NotFound), codeName(Code.FailedPrecondition), codeName(99)],
      ["not_found", "failed_precondition", "code 99"],
    );
  });

  test("the details are read off the wire, and what is unknown in them is passed over", () => {
    const text = (field: number, value: string) => [(field << 3) | 2, value.length, ...Buffer.from(value)];
    const message = (field: number, bytes: number[]) => [(field << 3) | 2, bytes.length, ...bytes];
    const info = [...text(1, "R"), ...text(2, "domain"), ...message(3, [...text(1, "k"), ...text(2, "v")]), 9 << 3, 7];
    assert.deepEqual(errorInfoOf(Uint8Array.from(info)), { reason: "R", metadata: { k: "v" } });
    const bad = [...message(1, [...text(1, "port"), ...text(2, "wrong"), ...text(3, "new")]), ...message(2, [])];
    assert.deepEqual(badRequestOf(Uint8Array.from(bad)), [{ field: "port", description: "wrong" }]);
  });

  test("what fails on the way is unavailable, what the gateway says is not touched", () => {
    const broken = fromCall(new ConnectError("read ECONNRESET", Code.Aborted), "the gateway at x:1");
    assert.ok(broken instanceof errors.GatewayUnavailableError);
    assert.match(broken.message, /x:1.*ECONNRESET/);
    assert.equal(fromCall(new ConnectError("no", Code.Unauthenticated)).code, "unauthenticated");
    assert.equal(fromCall(broken), broken);
  });
});

describe("payloads", () => {
  test("only text gets the terminator", () => {
    const bytes = encoded(["a", Buffer.from("b"), ""], "crlf").map((item) => Buffer.from(item).toString());
    assert.deepEqual(bytes, ["a\r\n", "b", "\r\n"]);
  });

  test("a RegExp becomes a pattern of the gateway, its flags inline", () => {
    assert.equal(patternOf(/^a\/b$/gim), "(?im)^a\\/b$");
    assert.equal(patternOf("^x"), "^x");
    assert.equal(patternOf(undefined), undefined);
  });

  test("a line keeps its bytes", () => {
    const broken = new Line(Uint8Array.from([0x61, 0xff]));
    assert.deepEqual([broken.text, [...broken.bytes]], ["a\u{fffd}", [0x61, 0xff]]);
    assert.throws(() => lineAs(broken, "throw"), errors.LineEncodingError);
    assert.equal(lineAs(broken, "replace"), "a\u{fffd}");
    assert.deepEqual([...new Line("ä").bytes], [0xc3, 0xa4]);
    assert.equal(`${new Line("ä")}`, "ä");
  });
});

describe("times", () => {
  test("milliseconds become seconds and nanoseconds, and nonsense is refused", () => {
    const { seconds, nanos } = duration(1500.25);
    assert.deepEqual([seconds, nanos], [1n, 500_250_000]);
    assert.equal(duration(undefined), undefined);
    assert.throws(() => duration(-1), RangeError);
    assert.throws(() => duration(Number.NaN), RangeError);
  });

  test("pauses grow up to two seconds", () => {
    const backoff = new Backoff();
    const pauses = Array.from({ length: 12 }, () => backoff.next());
    assert.ok((pauses[0] as number) <= 50 && pauses.every((pause) => pause <= 2000));
    assert.ok((pauses.at(-1) as number) >= 1000);
    backoff.reset();
    assert.ok(backoff.next() <= 50);
  });
});

describe("a target", () => {
  test("is host and port, with the gateway's port where none is said", () => {
    assert.equal(urlOf("127.0.0.1:7", false).href, "http://127.0.0.1:7/");
    assert.equal(urlOf("gw.example", true).href, "https://gw.example:50051/");
    assert.equal(urlOf("[::1]:9", false).host, "[::1]:9");
    assert.equal(urlOf("https://gw.example:443", true).origin, "https://gw.example");
    assert.throws(() => urlOf("http://gw.example:1", true), /TLS/);
    assert.throws(() => urlOf("ftp://x", false), TypeError);
  });
});

describe("what goes up", () => {
  test("comes out in order, and drained when it was taken", async () => {
    const up = new Upstream<number>();
    up.push(1);
    const drained = up.drained();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const item of up) {
        seen.push(item);
      }
    })();
    await drained;
    assert.deepEqual(seen, [1]);
    up.push(2);
    up.push(3);
    up.end();
    up.push(4);
    await reading;
    await up.drained();
    assert.deepEqual(seen, [1, 2, 3]);
  });
});

function data(sequence: bigint, text: string, sessionId = "s"): Envelope {
  return create(EnvelopeSchema, {
    sequence,
    sessionId,
    event: Event.DATA,
    detail: { case: "data", value: { payload: { case: "text", value: text } } },
  });
}

function event(sequence: bigint, kind: Event, sessionId = "s", listenerId = ""): Envelope {
  return create(EnvelopeSchema, { sequence, sessionId, listenerId, event: kind });
}

describe("acks", () => {
  function acked() {
    const acks: [string, bigint][] = [];
    return { acks, ack: (id: string, sequence: bigint) => void acks.push([id, sequence]) };
  }

  test("follow what is consumed, and never pass what is not", async () => {
    const { acks, ack } = acked();
    const lane = new Lane("s", ack);
    lane.receive(event(1n, Event.CONNECTED));
    assert.deepEqual(acks, []);
    lane.take();
    lane.receive(data(2n, "a"));
    lane.receive(event(3n, Event.TIMEOUT));
    lane.receive(data(4n, "b"));
    assert.deepEqual([lane.consumed, lane.firstHeld], [1n, 2n]);
    const reader = new Reader(lane, () => false);
    assert.equal((await reader.line(undefined))?.text, "a");
    assert.equal(lane.consumed, 3n);
    assert.equal((await reader.line(undefined))?.text, "b");
    assert.equal(lane.consumed, 4n);
    assert.equal(acks.at(-1)?.[1], 4n);
  });

  test("of an ended session are complete, and what it said can still be read", async () => {
    const { acks, ack } = acked();
    const lane = new Lane("s", ack);
    lane.take();
    lane.receive(data(1n, "last words"));
    lane.receive(
      create(EnvelopeSchema, {
        sequence: 2n,
        sessionId: "s",
        event: Event.DISCONNECTED,
        detail: { case: "disconnected", value: { reason: 1 } },
      }),
    );
    assert.deepEqual(acks.at(-1), ["s", 2n]);
    const reader = new Reader(lane, () => false);
    assert.equal((await reader.line(undefined))?.text, "last words");
    assert.equal(await reader.line(undefined), undefined);
    assert.equal((await lane.ended).reason, "peer_closed");
  });

  test("a resume starts before the first that is not consumed", () => {
    const { acks, ack } = acked();
    const lanes = new Lanes(ack);
    const slow = lanes.adopt("slow");
    lanes.adopt("fast");
    for (const [sequence, id] of [
      [1n, "slow"],
      [2n, "fast"],
      [3n, "slow"],
    ] as const) {
      lanes.receive(data(sequence, "x", id));
    }
    assert.equal(lanes.floor(3n), 0n);
    slow.shift();
    assert.equal(lanes.floor(3n), 1n);
    lanes.again(data(1n, "x", "slow"));
    assert.deepEqual(acks.at(-1), ["slow", 2n]);
    const before = acks.length;
    lanes.again(data(2n, "x", "fast"));
    assert.equal(acks.length, before);
    lanes.again(data(2n, "x", "forgotten"));
    assert.deepEqual(acks.at(-1), ["forgotten", 2n]);
  });

  test("what comes before the answer of the call that opened it is not a stranger's", async () => {
    const { ack } = acked();
    const lanes = new Lanes(ack);
    const over = lanes.opening();
    lanes.receive(event(1n, Event.CONNECTING, "mine"));
    lanes.receive(event(2n, Event.CONNECTED, "other"));
    const mine = lanes.adopt("mine");
    over();
    assert.equal(mine.event("connecting")?.kind, "connecting");
    assert.equal((await lanes.strangers.next(undefined))?.id, "other");
  });

  test("sessions that nobody takes do not pile up once they have ended", () => {
    const { acks, ack } = acked();
    const lanes = new Lanes(ack);
    lanes.receive(event(1n, Event.CONNECTED, "stranger"));
    assert.deepEqual(acks, []);
    lanes.receive(event(2n, Event.DISCONNECTED, "stranger"));
    assert.deepEqual(acks.at(-1), ["stranger", 2n]);
    assert.equal(lanes.floor(2n), 2n);
  });
});

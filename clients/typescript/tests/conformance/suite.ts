/** How the conformance scenarios run, and how their results are written. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { errorOf, Gateway, GatewayError, type NodeGatewayOptions, type Session } from "../../src/node.js";
import { SessionKind, type Session as SessionView } from "../../src/proto.js";
import { GatewayProcess, REPOSITORY } from "../support/gateway.js";
import type { FarEnd } from "./far_end.js";

const PATIENCE = 240_000;
const PERIOD = 251;

/** What a scenario runs with. */
export class Scene {
  readonly far: FarEnd;
  /** The gateway that scenarios without settings share. */
  readonly shared: GatewayProcess;
  readonly #ends: (() => Promise<unknown>)[] = [];

  constructor(far: FarEnd, shared: GatewayProcess) {
    this.far = far;
    this.shared = shared;
  }

  /** Closed, in reverse order, at the end of the scenario. */
  keep<T extends AsyncDisposable>(opened: T): T {
    this.#ends.push(async () => await opened[Symbol.asyncDispose]());
    return opened;
  }

  /** A gateway object with a subscriber of its own. */
  async open(options: NodeGatewayOptions = {}, address = this.shared.address): Promise<Gateway> {
    return this.keep(await Gateway.open(address, { subscriber: `conformance-${randomUUID()}`, openTimeout: 30_000, ...options }));
  }

  /** A gateway of the scenario's own. */
  async gateway(...settings: string[]): Promise<GatewayProcess> {
    return this.keep(await GatewayProcess.start(settings.flatMap((setting) => ["--set", setting])));
  }

  async end(): Promise<void> {
    for (const end of this.#ends.reverse()) {
      await end();
    }
  }
}

type Run = (scene: Scene) => Promise<void>;

/** All scenarios by their ids. */
export const scenarios = new Map<string, Run>();

/** Adds a scenario. */
export function scenario(id: string, run: Run): void {
  assert.ok(!scenarios.has(id), id);
  scenarios.set(id, run);
}

interface Result {
  result: "passed" | "failed" | "skipped";
  seconds: number;
  reason?: string;
}

/** Runs the scenarios, or those whose ids begin as asked, writes the results, and tells how many failed. */
export async function run(far: FarEnd, shared: GatewayProcess, asked: readonly string[]): Promise<number> {
  const results: Record<string, Result> = {};
  for (const [id, one] of scenarios) {
    if (asked.length > 0 && !asked.some((beginning) => id.startsWith(beginning))) {
      continue;
    }
    const started = Date.now();
    const scene = new Scene(far, shared);
    let failure: unknown;
    try {
      await inTime(id, one(scene));
    } catch (error) {
      failure = error ?? new Error("it failed");
    }
    try {
      await inTime(`the end of ${id}`, scene.end());
    } catch (error) {
      failure ??= error;
    }
    const seconds = (Date.now() - started) / 1000;
    results[id] =
      failure === undefined
        ? { result: "passed", seconds }
        : { result: "failed", seconds, reason: failure instanceof Error ? failure.message : String(failure) };
    console.log(`${failure === undefined ? "✔" : "✖"} ${id} (${seconds} s)`);
    if (failure !== undefined) {
      console.log(failure);
    }
  }
  if (asked.length === 0) {
    const { version } = JSON.parse(readFileSync(`${REPOSITORY}clients/typescript/package.json`, "utf8"));
    mkdirSync(`${REPOSITORY}target/conformance`, { recursive: true });
    const report = { language: "typescript", client: version, scenarios: results };
    writeFileSync(`${REPOSITORY}target/conformance/typescript.json`, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  const failed = Object.values(results).filter(({ result }) => result !== "passed").length;
  console.log(`${Object.keys(results).length - failed} scenarios passed, ${failed} failed`);
  return failed;
}

async function inTime(what: string, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${PATIENCE / 1000} s`)), PATIENCE);
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until something holds, and answers it. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) {
      return found;
    }
    if (Date.now() > end) {
      throw new Error(`never: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The session as the gateway shows it. */
export async function view(gateway: Gateway, session: { readonly id: string }): Promise<SessionView> {
  const { session: found } = await gateway.stubs.sessions.getSession({ sessionId: session.id });
  assert.ok(found);
  return found;
}

/** Asks that a call fails with this reason, this code, and these keys in its metadata. */
export async function fails(
  call: Promise<unknown>,
  reason: string,
  code: string,
  metadata: readonly string[] = [],
): Promise<GatewayError> {
  let caught: unknown;
  try {
    await call;
  } catch (error) {
    caught = error;
  }
  assert.ok(caught !== undefined, `it did not fail with ${reason}`);
  const error = caught instanceof GatewayError ? caught : errorOf(caught);
  assert.equal(error.reason, reason, error.message);
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.length > 0);
  for (const key of metadata) {
    assert.ok(error.metadata[key] !== undefined, `no ${key} in ${JSON.stringify(error.metadata)}`);
  }
  return error;
}

/** The pattern of the suite: byte i is i modulo 251. */
export function pattern(start: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) {
    bytes[at] = (start + at) % PERIOD;
  }
  return bytes;
}

const LONG_PATTERN = pattern(0, 1 << 20);

/** Asks that this is the pattern from a position on. */
export function isPattern(chunk: Uint8Array, start: number): void {
  for (let at = 0; at < chunk.length; ) {
    const from = (start + at) % PERIOD;
    const length = Math.min(chunk.length - at, LONG_PATTERN.length - from);
    const same = LONG_PATTERN.subarray(from, from + length).equals(chunk.subarray(at, at + length));
    assert.ok(same, `other bytes than the pattern after ${start + at}`);
    at += length;
  }
}

/** Reads so many bytes of the pattern. */
export async function readPattern(session: Session, size: number, onRead: (at: number) => void = () => undefined): Promise<void> {
  let at = 0;
  while (at < size) {
    const chunk = await session.read();
    assert.ok(chunk, `the end after ${at} bytes`);
    isPattern(chunk, at);
    at += chunk.length;
    onRead(at);
  }
  assert.equal(at, size);
}

/** The first event of a kind. */
export async function eventOf(session: Session, kind: string) {
  for await (const event of session.events()) {
    if (event.kind === kind) {
      return event;
    }
  }
  throw new Error(`no event ${kind} before the end: ${session.end?.reason}`);
}

export { SessionKind };

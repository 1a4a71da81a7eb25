/** The code of README.md, as it stands there but for the ports. `./test` has put each block into build/readme. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { after, before, describe, test } from "node:test";
import { GatewayProcess, REPOSITORY } from "./support/gateway.js";
import { Peer } from "./support/peers.js";
import { freePort, Program, redisServer } from "./support/programs.js";
import { blocksOf, runnable } from "./support/readme.js";

const PACKAGE = `${REPOSITORY}clients/typescript`;

describe("the code of the README", () => {
  let gateway: GatewayProcess;
  let redis: { readonly program: Program; readonly port: number };
  const blocks = blocksOf(readFileSync(`${PACKAGE}/README.md`, "utf8"));

  before(async () => {
    gateway = await GatewayProcess.start();
    redis = await redisServer();
  });
  after(async () => {
    await redis.program[Symbol.asyncDispose]();
    await gateway.kill();
  });

  /** Runs the block that has this text in it. */
  function block(text: string, ports: Readonly<Record<number, number>> = {}): Program {
    const found = blocks.filter((code) => code.includes(text));
    assert.equal(found.length, 1, text);
    const file = runnable(`${PACKAGE}/build/readme`, found[0] as string, { 50051: gateway.port, 6379: redis.port, ...ports });
    return new Program(process.execPath, [file], { cwd: PACKAGE });
  }

  test("is all run here", () => {
    assert.equal(blocks.length, 8);
  });

  test("the first ten minutes", async () => {
    assert.equal(await block("SET fruit apple").output(), "+OK\n$5 apple | PONG");
  });

  test("reading", async () => {
    await using board = await Peer.start((socket) => {
      socket.write("Welcome\r\nlogin: ");
      socket.once("data", () => socket.write("password: "));
    });
    assert.equal(await block("bbs.matches()", { 2300: board.port }).output(), "1 lines, then login: \n0 lines, then password: ");
  });

  test("listening", async () => {
    const port = await freePort();
    const server = block("gateway.listen(", { 2323: port });
    assert.equal(await server.line(), `on port ${port}`);
    const visitor = createConnection(port, "127.0.0.1");
    visitor.on("error", () => undefined);
    assert.equal(await server.output(), "from 127.0.0.1");
    visitor.destroy();
  });

  test("datagrams", async () => {
    assert.equal(await block("udpIn(", { 5514: await freePort() }).output(), "127.0.0.1 <13>hello");
  });

  test("when something fails", async () => {
    assert.match(await block("7777", { 7777: await freePort() }).output(), /^ECONNREFUSED connect cannot connect to/);
  });

  test("existing code over a session", async () => {
    assert.equal(await block("createInterface").output(), "+PONG");
  });

  test("token, TLS", async () => {
    assert.equal(await block("ca.pem").output(), "function");
  });

  test("everything else", async () => {
    assert.equal(await block("listSessions").output(), "[]\nSESSION_NOT_FOUND");
  });
});

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { GatewayProcess, REPOSITORY } from "./support/gateway.js";
import { Peer, take } from "./support/peers.js";
import { accepts, onFreePort, Program, redisServer } from "./support/programs.js";

const EXAMPLES = `${REPOSITORY}examples/typescript`;

describe("the examples", () => {
  let gateway: GatewayProcess;
  let devices: Program;
  let ports: Record<string, number>;

  before(async () => {
    gateway = await GatewayProcess.start();
    devices = new Program("python3", [`${REPOSITORY}examples/peers.py`]);
    ports = JSON.parse(await devices.line());
  });
  after(async () => {
    await devices[Symbol.asyncDispose]();
    await gateway.kill();
  });

  function example(name: string, ...args: (string | number)[]): Program {
    return new Program(process.execPath, [`${EXAMPLES}/build/${name}.js`, "--gateway", gateway.address, ...args.map(String)]);
  }

  async function portOf(server: Program): Promise<number> {
    const line = await server.line();
    return Number(/port (\d+)/.exec(line)?.[1] ?? assert.fail(line));
  }

  for (const file of readdirSync(EXAMPLES).filter((name) => name.endsWith(".ts") && name !== "command_line.ts")) {
    test(`${file} helps, and names a wrong option`, async () => {
      const name = file.replace(/\.ts$/, "");
      assert.match(await example(name, "--help").output(), /--gateway/);
      await assert.rejects(example(name, "--nonsense").output(), /nonsense/);
    });
  }

  test("the echo server serves its client, and other visitors", async () => {
    await using server = example("echo_server", "--host", "127.0.0.1", "--port", 0);
    const port = await portOf(server);
    const said = await example("echo_client", "--port", port, "one", "Grüße", "bye").output();
    assert.deepEqual(said.split("\n"), ["Hello. I repeat what you say, until bye.", "one", "Grüße", "Good bye."]);
    const visitor = createConnection(port, "127.0.0.1");
    await take(visitor, "Hello. I repeat what you say, until bye.\r\n".length);
    visitor.write("plain\r\n");
    assert.equal((await take(visitor, 7)).toString(), "plain\r\n");
    await server.interrupt();
    visitor.destroy();
  });

  test("the dialogue with the board reads what it is told to", async () => {
    const said = await example("bbs", "--port", ports.bbs ?? 0).output();
    assert.match(
      said,
      /^\*\*\* THE BOARD \*\*\*\n> LIST\n1 Welcome to the board\n(.*\n)*> READ 2\nThe lighthouse.*\n> QUIT\nGOOD BYE$/,
    );
  });

  test("callers that share a connection get their own answers", async () => {
    const redis = await redisServer();
    await using _ = redis.program;
    const words = Array.from({ length: 10 }, (_, at) => `word${at}`);
    const said = await example("request_response", "--port", redis.port, ...words).output();
    assert.deepEqual(
      said.split("\n"),
      words.map((word) => `${word}: ${word}`),
    );
  });

  test("silence is reported, and closes where asked", async () => {
    const said = await example("timeout", "--port", ports.silent ?? 0, "--after", 200).output();
    assert.match(said, /^kept: .+; the session is open\nclosed: timeout$/);
  });

  test("multicast is sent and received", async () => {
    const group = ["--group", "239.255.42.98", "--interface", "127.0.0.1"];
    await using receiver = example("multicast", "receive", ...group, "--port", 0, "--count", 2);
    const line = await receiver.line();
    const port = /:(\d+) for 239\.255\.42\.98$/.exec(line)?.[1] ?? assert.fail(line);
    for (const text of ["first", "second"]) {
      assert.match(await example("multicast", "send", text, ...group, "--port", port).output(), /^sent \d bytes/);
      assert.match(await receiver.line(), new RegExp(`: ${text}$`));
    }
    assert.equal(await receiver.output(), "");
  });

  test("the instrument is asked and measures", async () => {
    const said = await example("scpi", "--port", ports.scpi ?? 0).output();
    assert.deepEqual(said.split("\n"), ["DMM-9000 by ACME", "4.997 V"]);
  });

  test("the registers of a Modbus device are read, and its exceptions told", async () => {
    const said = await example("modbus", "--port", ports.modbus ?? 0, "--first", 10, "--count", 3).output();
    assert.deepEqual(said.split("\n"), ["10: 1010", "11: 1011", "12: 1012"]);
    await assert.rejects(example("modbus", "--port", ports.modbus ?? 0, "--first", 99, "--count", 3).output(), /exception 2/);
  });

  test("trackers report their positions, and a bad sentence is not believed", async () => {
    await using server = example("gps_tracker", "--host", "127.0.0.1", "--port", 0);
    const tracker = createConnection(await portOf(server), "127.0.0.1");
    tracker.write("$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n");
    assert.equal(await server.line(), "123519: 48.11730, 11.51667");
    tracker.write("$GPRMC,123520,A,4807.038,S,01131.000,E,022.4,084.4,230394,003.1,W*00\r\n");
    assert.match(await server.line(), /^not believed: \$GPRMC,123520/);
    await server.interrupt();
    tracker.destroy();
  });

  test("syslog comes by UDP, and by TCP as lines and counted", async () => {
    await using collector = example("syslog", "--host", "127.0.0.1", "--port", 0);
    const port = await portOf(collector);
    const datagrams = createSocket("udp4");
    datagrams.send("<11>disk on fire", port, "127.0.0.1");
    assert.equal(await collector.line(), "udp error: disk on fire");
    datagrams.close();
    const sender = createConnection(port, "127.0.0.1");
    sender.write("<14>a line\n17 <15>counted\nwhole<13>and a");
    assert.equal(await collector.line(), "tcp info: a line");
    assert.equal(await collector.line(), "tcp debug: counted");
    assert.equal(await collector.line(), "whole");
    sender.write(" line again\n");
    assert.equal(await collector.line(), "tcp notice: and a line again");
    await collector.interrupt();
    sender.destroy();
  });

  test("nodemailer's mail is in exim's queue", async () => {
    const folder = mkdtempSync(`${tmpdir()}/exim-`);
    const who = (flag: string) => execFileSync("id", [flag], { encoding: "utf8" }).trim();
    try {
      const { program, port } = await onFreePort((free) => {
        writeFileSync(
          `${folder}/conf`,
          [
            `spool_directory = ${folder}/spool`,
            `log_file_path = ${folder}/spool/log/%slog`,
            `pid_file_path = ${folder}/pid`,
            "primary_hostname = mail.test",
            "keep_environment =",
            "host_lookup =",
            "tls_advertise_hosts =",
            "notifier_socket =",
            `daemon_smtp_ports = ${free}`,
            "local_interfaces = 127.0.0.1",
            "queue_only",
            "acl_smtp_rcpt = accept",
            `exim_user = ${who("-un")}`,
            `exim_group = ${who("-gn")}`,
            `admin_groups = ${who("-gn")}`,
            "",
          ].join("\n"),
        );
        const exim = new Program("/usr/sbin/exim4", ["-C", `${folder}/conf`, "-bdf"]);
        return { program: exim, ready: accepts(free) };
      });
      await using _ = program;
      const said = await example("smtp", "--port", port).output();
      const mail = /^250 OK id=(\S+)$/.exec(said)?.[1] ?? assert.fail(said);
      assert.match(readFileSync(`${folder}/spool/input/${mail}-D`, "utf8"), /\nThrough a gateway\.\n$/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    await using nobody = await Peer.start((socket) => socket.end("554 go away\r\n"));
    await assert.rejects(example("smtp", "--port", nobody.port).output(), /554|go away|Invalid greeting/);
  });

  test("an example without a gateway says so", async () => {
    const peer = await Peer.start();
    const { port } = peer;
    await peer[Symbol.asyncDispose]();
    await assert.rejects(
      example("scpi", "--gateway", `127.0.0.1:${port}`).output(),
      /the gateway at 127\.0\.0\.1:\d+ cannot be reached/,
    );
  });
});

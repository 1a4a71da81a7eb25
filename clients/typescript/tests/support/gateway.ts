/** A gateway of its own for each test file, and a wire to it that can be cut. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const REPOSITORY = fileURLToPath(new URL("../../../../../", import.meta.url));

/** The gateway's binary. */
export const BINARY = process.env.SOCKET_GATEWAY_BIN ?? `${REPOSITORY}target/debug/socket-gateway`;

/** A running gateway. */
export class GatewayProcess implements AsyncDisposable {
  readonly address: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, address: string) {
    this.#child = child;
    this.address = address;
  }

  /** Starts one on a free port, or on the address of one that was killed. */
  static async start(flags: readonly string[] = [], address = "127.0.0.1:0"): Promise<GatewayProcess> {
    const child = spawn(BINARY, ["serve", "--listen", address, "--log-format", "json", ...flags], {
      stdio: ["ignore", "ignore", "pipe"],
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SOCKET_GATEWAY_"))),
    });
    const failed = once(child, "exit").then(([code]) => {
      throw new Error(`the gateway ended with ${code}`);
    });
    failed.catch(() => undefined);
    const ready = (async () => {
      for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
        const event = line.startsWith("{") ? JSON.parse(line) : { message: line };
        if (event.message === "socket-gateway is ready") {
          return event.address as string;
        }
        process.stderr.write(`${line}\n`);
      }
      throw new Error("the gateway said nothing of being ready");
    })();
    const bound = await Promise.race([ready, failed]);
    child.stderr?.resume();
    return new GatewayProcess(child, bound);
  }

  get port(): number {
    return Number(this.address.split(":").at(-1));
  }

  /** Asks it to stop, and tells its exit code. */
  async terminate(): Promise<number | null> {
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const [code] = await exited;
    return code;
  }

  /** Ends it without a chance to say anything. */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGKILL");
      await once(this.#child, "exit");
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** A wire to a port that can be cut. */
export class Wire implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #broken = false;
  /** Connections so far. */
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(port: number): Promise<Wire> {
    const server = createServer();
    const wire = new Wire(server);
    server.on("connection", (near) => {
      if (wire.#broken) {
        near.resetAndDestroy();
        return;
      }
      wire.connections += 1;
      const far = createConnection(port, "127.0.0.1");
      const pair = [near, far] as const;
      wire.#pairs.add(pair);
      for (const [one, other] of [pair, [far, near] as const]) {
        one.on("error", () => undefined);
        one.on("close", () => {
          other.destroy();
          wire.#pairs.delete(pair);
        });
        one.pipe(other);
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return wire;
  }

  get address(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }

  /** Cuts what is connected. */
  cut(): void {
    for (const pair of this.#pairs) {
      for (const socket of pair) {
        socket.resetAndDestroy();
      }
    }
  }

  /** Nothing passes until `mend`: what is connected stays silent. */
  silence(): void {
    for (const [near, far] of this.#pairs) {
      near.unpipe(far);
      far.unpipe(near);
      near.pause();
      far.pause();
    }
  }

  /** Cuts what is connected and lets nobody in. */
  break(): void {
    this.#broken = true;
    this.cut();
  }

  /** Lets in again. */
  mend(): void {
    this.#broken = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
  }
}

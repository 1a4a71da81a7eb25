/** Programs that the tests run: examples, real servers, simulated devices. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createConnection } from "node:net";
import { createInterface, type Interface } from "node:readline";
import { Peer } from "./peers.js";

/** A port that is free now. */
export async function freePort(): Promise<number> {
  await using peer = await Peer.start();
  return peer.port;
}

/** A program under way. */
export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #lines: AsyncIterator<string>;
  readonly #said: Interface;
  #errors = "";

  constructor(command: string, args: readonly string[], options: { readonly cwd?: string } = {}) {
    this.#name = [command, ...args].join(" ");
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], ...options });
    this.#child.on("error", (error) => {
      this.#errors += error.message;
    });
    this.#child.stderr?.on("data", (text: Buffer) => {
      this.#errors += text;
    });
    this.#said = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#lines = this.#said[Symbol.asyncIterator]();
  }

  /** The next line it says. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) {
      throw new Error(`${this.#name} said nothing more: ${this.#errors}`);
    }
    return value;
  }

  /** Everything it says until it ends, which it must do in order. */
  async output(): Promise<string> {
    const lines: string[] = [];
    for (let next = await this.#lines.next(); next.done !== true; next = await this.#lines.next()) {
      lines.push(next.value);
    }
    await this.#exited("its end");
    return lines.join("\n");
  }

  /** Asks it to stop, and waits until it did, in order. */
  async interrupt(): Promise<void> {
    this.#child.kill("SIGINT");
    await this.#exited("SIGINT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined) {
      const exited = once(this.#child, "exit");
      this.#child.kill("SIGTERM");
      await exited;
    }
    this.#said.close();
  }

  async #exited(after: string): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await once(this.#child, "exit");
    }
    if (this.#child.exitCode !== 0) {
      throw new Error(
        `${this.#name} ended with ${this.#child.exitCode ?? this.#child.signalCode} after ${after}: ${this.#errors}`,
      );
    }
  }
}

/** A server that takes a port, started on one that is free; again where another took it. */
export async function onFreePort(
  start: (port: number) => { readonly program: Program; readonly ready: Promise<unknown> },
): Promise<{ readonly program: Program; readonly port: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const { program, ready } = start(port);
    try {
      await ready;
      return { program, port };
    } catch (error) {
      await program[Symbol.asyncDispose]();
      if (attempt === 5) {
        throw error;
      }
    }
  }
}

/** A Redis server of the test's own. */
export function redisServer() {
  return onFreePort((port) => {
    const flags = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--logfile", ""];
    const program = new Program("redis-server", flags);
    const ready = (async () => {
      while (!(await program.line()).includes("Ready to accept connections")) {
        // It says more.
      }
    })();
    return { program, ready };
  });
}

/** Resolves when something accepts connections there. */
export async function accepts(port: number): Promise<void> {
  for (const until = Date.now() + 30_000; ; ) {
    const socket = createConnection(port, "127.0.0.1");
    try {
      await once(socket, "connect");
      socket.destroy();
      return;
    } catch (error) {
      if (Date.now() > until) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

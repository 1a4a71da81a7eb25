/** The far end of the conformance suite, and its control port. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { REPOSITORY } from "../support/gateway.js";

/** What the far end knows of a connection. */
export interface Seen {
  readonly received: number;
  readonly sent: number;
  readonly sha256: string;
  readonly outcome: "open" | "closed" | "broken";
}

/** The far end. */
export class FarEnd implements AsyncDisposable {
  readonly host: string;
  readonly #ports: Readonly<Record<string, number | string>>;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  readonly #answers: ((answer: Record<string, unknown>) => void)[] = [];

  private constructor(child: ChildProcess, control: Socket, ports: Record<string, number | string>) {
    this.host = String(ports.host);
    this.#ports = ports;
    this.#child = child;
    this.#control = control;
    createInterface({ input: control }).on("line", (line) => this.#answers.shift()?.(JSON.parse(line)));
  }

  static async start(): Promise<FarEnd> {
    const child = spawn("python3", [`${REPOSITORY}tests/conformance/farend.py`], { stdio: ["pipe", "pipe", "inherit"] });
    const [line] = await once(createInterface({ input: child.stdout }), "line");
    const ports = JSON.parse(line);
    const control = createConnection(ports.control, ports.host);
    await once(control, "connect");
    return new FarEnd(child, control, ports);
  }

  /** The port of a peer. */
  port(peer: string): number {
    const port = this.#ports[peer];
    if (typeof port !== "number") {
      throw new Error(`the far end has no peer ${peer}`);
    }
    return port;
  }

  /** Gives an order. Each has a connection of its own where it may wait. */
  async order(order: Record<string, unknown>): Promise<Record<string, unknown>> {
    const answered = new Promise<Record<string, unknown>>((resolve) => this.#answers.push(resolve));
    this.#control.write(`${JSON.stringify(order)}\n`);
    const answer = await answered;
    if (answer.error !== undefined) {
      throw new Error(`the far end: ${answer.error}`);
    }
    return answer;
  }

  /** A connection as it is now. */
  async look(port: number | undefined): Promise<Seen> {
    return (await this.order({ cmd: "look", port })) as unknown as Seen;
  }

  /** A connection once its peer is done with it. */
  async done(port: number | undefined): Promise<Seen> {
    const control = createConnection(this.port("control"), this.host);
    control.write(`${JSON.stringify({ cmd: "wait", port, timeout: 60 })}\n`);
    const [line] = await once(createInterface({ input: control }), "line");
    control.destroy();
    return JSON.parse(line) as Seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#control.destroy();
    const exited = once(this.#child, "exit");
    this.#child.stdin?.end();
    await exited;
  }
}

/** A relay of the far end: the way to a gateway that can be cut. */
export class Relay {
  readonly #far: FarEnd;
  readonly #id: unknown;
  readonly address: string;

  private constructor(far: FarEnd, id: unknown, address: string) {
    this.#far = far;
    this.#id = id;
    this.address = address;
  }

  static async to(far: FarEnd, port: number): Promise<Relay> {
    const { relay, port: own } = await far.order({ cmd: "relay", port });
    return new Relay(far, relay, `${far.host}:${own}`);
  }

  /** `cut`, `refuse`, `accept`, `pause`, `resume`, `relayed`, `target`. */
  tell(cmd: string, more: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    return this.#far.order({ cmd, relay: this.#id, ...more });
  }
}

/** Far ends that the tests play. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

/** A server of the test. */
export class Peer implements AsyncDisposable {
  readonly #server: Server;
  /** Connections that were accepted. */
  readonly sockets: Socket[] = [];
  #waiting: ((socket: Socket) => void)[] = [];
  #untaken: Socket[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Starts one that does this with each connection. */
  static async start(serve: (socket: Socket) => void = () => undefined): Promise<Peer> {
    const server = createServer({ allowHalfOpen: true });
    const peer = new Peer(server);
    server.on("connection", (socket) => {
      socket.on("error", () => undefined);
      peer.sockets.push(socket);
      const waiting = peer.#waiting.shift();
      if (waiting === undefined) {
        peer.#untaken.push(socket);
      } else {
        waiting(socket);
      }
      serve(socket);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return peer;
  }

  /** Sends back what it gets, and ends when its peer does. */
  static echo(): Promise<Peer> {
    return Peer.start((socket) => socket.pipe(socket));
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** The next connection. */
  next(): Promise<Socket> {
    const socket = this.#untaken.shift();
    return socket === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) {
      socket.destroy();
    }
    this.#server.close();
  }
}

/** Bytes that tell where they belong. */
export function pattern(start: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) {
    const position = start + at;
    bytes[at] = (position ^ (position >> 8) ^ ((position >> 16) * 31)) & 0xff;
  }
  return bytes;
}

/** Waits for a condition. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const until = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > until) {
      throw new Error(`never: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Everything an iterator yields. */
export async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) {
    items.push(item);
  }
  return items;
}

const inbound = new WeakMap<Socket, { bytes: Buffer; wake: () => void }>();

/** Reads so many bytes from a socket of the test. */
export async function take(socket: Socket, count: number): Promise<Buffer> {
  let held = inbound.get(socket);
  if (held === undefined) {
    const fresh = { bytes: Buffer.alloc(0), wake: () => undefined as undefined };
    socket.on("data", (chunk: Buffer) => {
      fresh.bytes = Buffer.concat([fresh.bytes, chunk]);
      fresh.wake();
    });
    socket.on("close", () => fresh.wake());
    inbound.set(socket, fresh);
    held = fresh;
  }
  while (held.bytes.length < count) {
    if (socket.readableEnded || socket.destroyed) {
      throw new Error(`the connection ended after ${held.bytes.length} of ${count} bytes`);
    }
    await new Promise<void>((resolve) => {
      (held as { wake: () => void }).wake = resolve;
    });
  }
  const taken = held.bytes.subarray(0, count);
  held.bytes = held.bytes.subarray(count);
  return taken;
}

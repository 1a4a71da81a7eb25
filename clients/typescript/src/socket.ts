/** A session as a stream of Node, close enough to a `net.Socket` for libraries that want one. */
import { Duplex } from "node:stream";
import type { Session } from "./session.js";

/**
 * A session in binary mode as a `Duplex`. It has what protocol libraries use of a `net.Socket` beside the stream: addresses, a timeout
 * for silence, and switches that mean nothing here.
 *
 * `end()` disconnects; `destroy()` aborts. A session that ends otherwise than in order destroys the stream with its error.
 */
export class SessionSocket extends Duplex {
  /** The session. */
  readonly session: Session;
  /** As of a `net.Socket`: the session is connected. */
  readonly connecting = false;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  #silence: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #reading = new AbortController();

  constructor(session: Session) {
    super({ allowHalfOpen: false });
    this.session = session;
    this.remoteAddress = session.remote?.host;
    this.remotePort = session.remote?.port;
    this.localAddress = session.local?.host;
    this.localPort = session.local?.port;
  }

  override _read(): void {
    this.session.read({ signal: this.#reading.signal }).then(
      (chunk) => {
        this.#touch();
        this.push(chunk ?? null);
      },
      (error) => {
        if (!this.#reading.signal.aborted) {
          this.destroy(error);
        }
      },
    );
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    this.session.disconnect().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#reading.abort();
    // In order, both directions have ended by now and there is nothing to abort.
    const over = this.readableEnded && this.writableFinished ? Promise.resolve() : this.session.abort();
    over.then(
      () => done(error),
      () => done(error),
    );
  }

  /** Emits `timeout` after so many milliseconds without traffic; 0: never. */
  setTimeout(milliseconds: number, onTimeout?: () => void): this {
    this.#silence = milliseconds === 0 ? undefined : milliseconds;
    if (onTimeout !== undefined) {
      this.once("timeout", onTimeout);
    }
    this.#touch();
    return this;
  }

  /** Nothing: the gateway decides. */
  setNoDelay(): this {
    return this;
  }

  /** Nothing: the gateway decides. */
  setKeepAlive(): this {
    return this;
  }

  /** Nothing: the connection to the gateway keeps the process alive until it is closed. */
  ref(): this {
    return this;
  }

  /** Nothing: see `ref`. */
  unref(): this {
    return this;
  }

  #send(chunks: readonly Buffer[], done: (error?: Error | null) => void): void {
    const items = chunks.filter((chunk) => chunk.length > 0);
    if (items.length === 0) {
      done();
      return;
    }
    this.session.send(items).then(
      () => {
        this.#touch();
        done();
      },
      (error) => done(error),
    );
  }

  #touch(): void {
    clearTimeout(this.#timer);
    if (this.#silence !== undefined && !this.destroyed) {
      this.#timer = setTimeout(() => this.emit("timeout"), this.#silence);
    }
  }
}

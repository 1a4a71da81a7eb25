/** What goes up an Attach stream: a queue that is read as an async iterable. Bounded by its writers: see `link.ts`. */

/** A queue with one reader. */
export class Upstream<T> implements AsyncIterable<T> {
  #queue: T[] = [];
  #ended = false;
  #over = false;
  #wakeReader: (() => void) | undefined;
  #drained: (() => void)[] = [];

  /** Puts one at the end. After `end` it is thrown away. */
  push(item: T): void {
    if (!this.#ended) {
      this.#queue.push(item);
      this.#wake();
    }
  }

  /** What is queued still goes out, then the iteration ends. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Resolves when everything was taken and the reader asks for more, which it does when what it took is written. */
  drained(): Promise<void> {
    if (this.#over || (this.#queue.length === 0 && this.#wakeReader !== undefined)) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        const batch = this.#queue;
        this.#queue = [];
        yield* batch;
        if (this.#queue.length > 0) {
          continue;
        }
        this.#tellDrained();
        if (this.#ended) {
          return;
        }
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
        this.#wakeReader = undefined;
      }
    } finally {
      this.#ended = true;
      this.#over = true;
      this.#tellDrained();
    }
  }

  #wake(): void {
    this.#wakeReader?.();
  }

  #tellDrained(): void {
    for (const resolve of this.#drained.splice(0)) {
      resolve();
    }
  }
}

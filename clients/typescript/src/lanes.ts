/** All lanes of a gateway object: sorts what comes down the stream by session, and tells what of it is consumed. */
import type { GatewayError } from "./errors.js";
import type { Envelope } from "./gen/tcpip/v1/envelope_pb.js";
import { Lane } from "./lane.js";
import type { Inbox } from "./link.js";
import { type EndReason, lostBy } from "./session_types.js";

/** How long the last envelope of a session that is gone is waited for. */
const LAST_WORD_PATIENCE = 2000;

/** Sessions that nobody has taken yet, in the order they came. */
export class Arrivals {
  #lanes: Lane[] = [];
  #waiting: (() => void)[] = [];
  #over: GatewayError | undefined;
  #ended = false;
  /** Who waits for one, or may again. */
  readers = 0;

  /** Puts one at the end. */
  push(lane: Lane): void {
    this.#lanes.push(lane);
    this.#wake();
  }

  /** Takes one out, wherever it is. */
  remove(lane: Lane): void {
    this.#lanes = this.#lanes.filter((other) => other !== lane);
  }

  /** No more will come, and what to tell who asks. */
  end(error: GatewayError | undefined): void {
    this.#ended = true;
    this.#over = error;
    this.#wake();
  }

  /** The next; undefined when no more will come. */
  async next(signal: AbortSignal | undefined): Promise<Lane | undefined> {
    signal?.throwIfAborted();
    for (;;) {
      const lane = this.#lanes.shift();
      if (lane !== undefined) {
        return lane;
      }
      if (this.#over !== undefined) {
        throw this.#over;
      }
      if (this.#ended) {
        return undefined;
      }
      await new Promise<void>((resolve, reject) => {
        const aborted = () => reject(signal?.reason);
        signal?.addEventListener("abort", aborted, { once: true });
        this.#waiting.push(() => {
          signal?.removeEventListener("abort", aborted);
          resolve();
        });
      });
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) {
      resolve();
    }
  }
}

export class Lanes implements Inbox {
  readonly #ack: (id: string, sequence: bigint, bytes: number) => void;
  readonly #lanes = new Map<string, Lane>();
  readonly #listeners = new Map<string, Arrivals>();
  /** Sessions of nobody here: opened by others, or by the gateway itself, for this subscriber. */
  #strangers = new Arrivals();
  /** What came while calls that open something are under way: it may be theirs. */
  #unsorted: Lane[] = [];
  #opening = 0;

  constructor(ack: (id: string, sequence: bigint, bytes: number) => void) {
    this.#ack = ack;
  }

  /** Sessions of nobody here. */
  get strangers(): Arrivals {
    return this.#strangers;
  }

  /** A call that opens something begins; the function says that it is over. */
  opening(): () => void {
    this.#opening += 1;
    return () => {
      this.#opening -= 1;
      if (this.#opening === 0) {
        for (const lane of this.#unsorted.splice(0)) {
          this.#sort(lane);
        }
      }
    };
  }

  /** The lane of a session or listener, for its object. */
  adopt(id: string | Lane): Lane {
    const lane = typeof id === "string" ? this.#lane(id) : id;
    this.#unsorted = this.#unsorted.filter((other) => other !== lane);
    this.#strangers.remove(lane);
    lane.take();
    if (lane.end !== undefined) {
      this.#lanes.delete(lane.id);
    }
    return lane;
  }

  /** Where the sessions come that a listener accepts. */
  listener(id: string): Arrivals {
    let arrivals = this.#listeners.get(id);
    if (arrivals === undefined) {
      arrivals = new Arrivals();
      this.#listeners.set(id, arrivals);
      const known = arrivals;
      const { ended } = this.#lane(id);
      void ended.then((end) => {
        this.#listeners.delete(id);
        known.end(end.reason === "instance_changed" || end.reason === "gateway_lost" ? end.error : undefined);
      });
    }
    return arrivals;
  }

  receive(envelope: Envelope): void {
    const id = envelope.sessionId || envelope.listenerId;
    if (id === "") {
      this.#ack(id, envelope.sequence, 0);
      return;
    }
    const known = this.#lanes.has(id);
    const lane = this.#lane(id);
    if (!known && envelope.sessionId !== "") {
      lane.listenerId = envelope.listenerId;
      this.#unsorted.push(lane);
    } else if (!known) {
      lane.take();
    }
    lane.receive(envelope);
    if (!known && this.#opening === 0) {
      this.#unsorted = [];
      this.#sort(lane);
    }
    if (lane.end !== undefined) {
      this.#over(lane);
    }
  }

  again(envelope: Envelope): void {
    const id = envelope.sessionId || envelope.listenerId;
    const consumed = this.#lanes.get(id)?.consumed ?? envelope.sequence;
    if (consumed >= envelope.sequence) {
      this.#ack(id, consumed, 0);
    }
  }

  floor(newest: bigint): bigint {
    let floor = newest;
    for (const lane of this.#lanes.values()) {
      const held = lane.firstHeld;
      if (held !== undefined && held <= floor) {
        floor = held - 1n;
      }
    }
    return floor;
  }

  *consumed(): Iterable<readonly [string, bigint]> {
    for (const [id, { consumed }] of this.#lanes) {
      if (consumed > 0n) {
        yield [id, consumed];
      }
    }
  }

  lost(error: GatewayError): void {
    const reason: EndReason =
      error.reason === "INSTANCE_CHANGED" ? "instance_changed" : error.code === "canceled" ? "detached" : "gateway_lost";
    const lanes = [...this.#lanes.values()];
    this.#lanes.clear();
    this.#unsorted = [];
    const strangers = this.#strangers;
    this.#strangers = new Arrivals();
    for (const lane of lanes) {
      lane.finish(lostBy(reason, error));
    }
    strangers.end(reason === "detached" ? undefined : error);
  }

  /**
   * The gateway does not know a session any more. Where this subscriber opened it, its last envelope is on the way and says more; where
   * it is another's, none will come.
   */
  missing(lane: Lane, error: GatewayError): void {
    setTimeout(() => {
      if (lane.end === undefined) {
        this.#lanes.delete(lane.id);
        lane.finish(lostBy("not_found", error));
      }
    }, LAST_WORD_PATIENCE);
  }

  #lane(id: string): Lane {
    let lane = this.#lanes.get(id);
    if (lane === undefined) {
      lane = new Lane(id, this.#ack);
      this.#lanes.set(id, lane);
    }
    return lane;
  }

  #sort(lane: Lane): void {
    if (lane.taken) {
      return;
    }
    const listener = this.#listeners.get(lane.listenerId);
    if (listener !== undefined) {
      listener.push(lane);
    } else if (lane.end === undefined || this.#strangers.readers > 0) {
      this.#strangers.push(lane);
    } else {
      this.#over(lane);
    }
  }

  /** It has ended: who reads it has what is left; what nobody will read is given back. */
  #over(lane: Lane): void {
    const wanted = this.#opening > 0 || this.#listeners.has(lane.listenerId) || this.#strangers.readers > 0;
    if (lane.taken || !wanted) {
      this.#strangers.remove(lane);
      lane.take();
      this.#lanes.delete(lane.id);
    }
  }
}

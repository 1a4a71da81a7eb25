/** Reading what a lane holds: as chunks, lines, matches, or an exact number of bytes. */
import { SessionClosedError } from "./errors.js";
import type { Data } from "./gen/tcpip/v1/envelope_pb.js";
import type { Arrived, Lane } from "./lane.js";
import { capturesOf, joined, Line, lineOf, type Match } from "./payload.js";
import { closedError, type EndReason, type SessionEnd } from "./session_types.js";

/** Ends after which there is nothing more to read and nothing was lost. */
const CLEAN: readonly EndReason[] = ["peer_closed", "by_request", "detached"];

export class Reader {
  readonly #lane: Lane;
  /** Whether this client asked for the abort. */
  readonly #asked: () => boolean;
  /** What of a chunk or a match is still to be handed over. */
  #restBytes: Uint8Array | undefined;
  #restLines: Line[] = [];

  constructor(lane: Lane, asked: () => boolean) {
    this.#lane = lane;
    this.#asked = asked;
  }

  /**
   * The next data, or undefined at the end.
   *
   * @throws SessionClosedError where the session ended otherwise than by a FIN or by request.
   */
  async arrived(signal: AbortSignal | undefined): Promise<Arrived | undefined> {
    signal?.throwIfAborted();
    for (;;) {
      const arrived = this.#lane.shift();
      if (arrived !== undefined) {
        return arrived;
      }
      const { end, over } = this.#lane;
      if (over) {
        this.#check(end);
        return undefined;
      }
      await this.#lane.changed(signal);
    }
  }

  /** The next bytes in binary mode. */
  async chunk(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    const rest = this.#restBytes;
    if (rest !== undefined) {
      this.#restBytes = undefined;
      return rest;
    }
    const arrived = await this.arrived(signal);
    return arrived === undefined ? undefined : bytesOf(arrived.data);
  }

  /** Exactly so many bytes. What comes after them is kept for the next read. */
  async exactly(count: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new RangeError(`a count of bytes is a whole number, 0 or more, not ${count}`);
    }
    const parts: Uint8Array[] = [];
    let missing = count;
    try {
      while (missing > 0) {
        const chunk = await this.chunk(signal);
        if (chunk === undefined) {
          throw tooEarly(this.#lane.id, count - missing, count);
        }
        parts.push(chunk.subarray(0, missing));
        this.#restBytes = chunk.length > missing ? chunk.subarray(missing) : undefined;
        missing -= Math.min(missing, chunk.length);
      }
    } catch (error) {
      // Nothing is lost: the next read begins where this one did.
      const read = [...parts, ...(this.#restBytes === undefined ? [] : [this.#restBytes])];
      this.#restBytes = read.length === 0 ? undefined : joined(read);
      throw error;
    }
    return joined(parts);
  }

  /** The next line in line mode, also of those that came with a match. */
  async line(signal: AbortSignal | undefined): Promise<Line | undefined> {
    for (;;) {
      const line = this.#restLines.shift();
      if (line !== undefined) {
        return line;
      }
      const arrived = await this.arrived(signal);
      if (arrived === undefined) {
        return undefined;
      }
      const { lines, match } = matchOf(arrived.data);
      this.#restLines = [...lines, ...(match === undefined ? [] : [match])];
    }
  }

  /** What a `waitFor` collected. */
  async match(signal: AbortSignal | undefined): Promise<Match | undefined> {
    const rest = this.#restLines;
    if (rest.length > 0) {
      this.#restLines = [];
      return { ...NO_CAPTURES, lines: rest, match: undefined, unfinished: false };
    }
    const arrived = await this.arrived(signal);
    return arrived === undefined ? undefined : matchOf(arrived.data);
  }

  #check(end: SessionEnd | undefined): void {
    if (end === undefined || CLEAN.includes(end.reason) || (end.reason === "abort" && this.#asked())) {
      return;
    }
    throw closedError(this.#lane.id, end);
  }
}

const NO_CAPTURES = { captures: [], groups: {} };

function bytesOf({ payload }: Data): Uint8Array {
  switch (payload.case) {
    case "bytes":
      return payload.value;
    case "text":
      return new Line(payload.value).bytes;
    default:
      throw new TypeError("this session delivers lines, which have lost their line ends: read lines() or matches()");
  }
}

function matchOf({ payload }: Data): Match {
  switch (payload.case) {
    case "match": {
      const { lines, match, captures } = payload.value;
      return { lines: lines.map(lineOf), match: lineOf(match), unfinished: false, ...capturesOf(captures) };
    }
    case "flushed": {
      const { lines, lastUnfinished } = payload.value;
      return { ...NO_CAPTURES, lines: lines.map(lineOf), match: undefined, unfinished: lastUnfinished };
    }
    case "bytes":
    case "text":
      return { ...NO_CAPTURES, lines: [new Line(payload.value)], match: undefined, unfinished: false };
    default:
      throw new TypeError("this session delivers datagrams");
  }
}

function tooEarly(id: string, had: number, wanted: number): SessionClosedError {
  return new SessionClosedError({
    code: "out_of_range",
    reason: "",
    message: `the peer ended the connection after ${had} of ${wanted} bytes`,
    metadata: { sessionId: id, closeReason: "peer_closed" },
  });
}

/** What is sent, and what comes back: bytes, lines, matches, answers. */

import { LineEncodingError } from "./errors.js";
import type { Capture, Line as WireLine } from "./gen/tcpip/v1/envelope_pb.js";
import { ExchangeEnd, type TcpExchangeResponse } from "./gen/tcpip/v1/socket_gateway_service_pb.js";

const encoder = new TextEncoder();
const lossy = new TextDecoder();

/** Text goes out as UTF-8 followed by the line terminator, bytes as they are. */
export type Payload = string | Uint8Array;

/** What is appended to text: nothing, `\n`, `\r\n` or `\r`. */
export type LineTerminator = "none" | "lf" | "crlf" | "cr";

const TERMINATORS: Readonly<Record<LineTerminator, string>> = { none: "", lf: "\n", crlf: "\r\n", cr: "\r" };

/** The bytes of payload items. */
export function encoded(payload: Payload | readonly Payload[], terminator: LineTerminator): Uint8Array[] {
  const items = typeof payload === "string" || payload instanceof Uint8Array ? [payload] : payload;
  return items.map((item) => (typeof item === "string" ? encoder.encode(item + TERMINATORS[terminator]) : item));
}

/** One line without its line end, or what one read brought in binary mode. */
export class Line {
  readonly #text: string | undefined;
  #bytes: Uint8Array | undefined;

  /** A line of text, or of bytes that are not UTF-8. */
  constructor(content: string | Uint8Array) {
    [this.#text, this.#bytes] = typeof content === "string" ? [content, undefined] : [undefined, content];
  }

  /** As text; bytes that are not UTF-8 show as U+FFFD. `bytes` has them unaltered. */
  get text(): string {
    return this.#text ?? lossy.decode(this.#bytes);
  }

  /** As bytes, exactly as they came. */
  get bytes(): Uint8Array {
    this.#bytes ??= encoder.encode(this.#text);
    return this.#bytes;
  }

  /** The text, or the bytes where it is not UTF-8. */
  get content(): string | Uint8Array {
    return this.#text ?? this.bytes;
  }

  toString(): string {
    return this.text;
  }
}

/** How `lines()` hands over a line that is not UTF-8: as an error that carries it, as bytes, or as text with U+FFFD. */
export type InvalidText = "throw" | "bytes" | "replace";

/** The line as asked for. */
export function lineAs(line: Line, invalid: InvalidText): string | Uint8Array {
  const content = line.content;
  if (typeof content === "string" || invalid === "bytes") {
    return content;
  }
  if (invalid === "throw") {
    throw new LineEncodingError(content);
  }
  return line.text;
}

/** Capture groups of a pattern: in its order, and those with a name by name. */
export interface Captures {
  /** In the pattern's order, without the whole match; undefined where the group took no part. */
  readonly captures: readonly (Line | undefined)[];
  /** The named ones, as text. */
  readonly groups: Readonly<Record<string, string | undefined>>;
}

/** Lines that were collected until the session's `waitFor` matched. */
export interface Match extends Captures {
  /** The lines before the match, oldest first. */
  readonly lines: readonly Line[];
  /** The line, or the unfinished rest of one, that matched; undefined where lines were handed over without a match. */
  readonly match: Line | undefined;
  /** Without a match: whether the last line has no line end. */
  readonly unfinished: boolean;
}

/** The answer to an exchange. */
export interface ExchangeAnswer extends Captures {
  /** What completed it. */
  readonly end: "match" | "frame" | "peer_closed";
  /** What arrived, oldest first; with `waitFor` the lines before the match. */
  readonly frames: readonly Line[];
  /** What matched. */
  readonly match: Line | undefined;
  /** The text of the match, or of all frames, joined by line feeds in line mode and by nothing in binary mode. */
  readonly text: string;
  /** The bytes of all frames and of the match, one after the other, without line ends. */
  readonly bytes: Uint8Array;
  /** The session's outbound byte count after the write. */
  readonly writeOffset: bigint;
  /** The position in the inbound byte stream after the answer. */
  readonly readOffset: bigint;
}

/** A line of the wire. */
export function lineOf(line: WireLine | undefined): Line {
  const content = line?.content;
  return new Line(content?.case === undefined ? "" : content.value);
}

/** Capture groups of the wire. */
export function capturesOf(captures: readonly Capture[]): Captures {
  const values = captures.map((capture) => (capture.participated ? lineOf(capture.value) : undefined));
  const named = captures.map((capture, at) => [capture.name, values[at]?.text] as const);
  return { captures: values, groups: Object.fromEntries(named.filter(([name]) => name !== "")) };
}

/** One array of several. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) {
    return only;
  }
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const ENDS: Readonly<Record<ExchangeEnd, ExchangeAnswer["end"]>> = {
  [ExchangeEnd.UNSPECIFIED]: "frame",
  [ExchangeEnd.MATCH]: "match",
  [ExchangeEnd.FRAME]: "frame",
  [ExchangeEnd.PEER_CLOSED]: "peer_closed",
};

/** An answer of the wire. */
export function answerOf(response: TcpExchangeResponse, binary: boolean): ExchangeAnswer {
  const frames = response.frames.map(lineOf);
  const match = response.match === undefined ? undefined : lineOf(response.match);
  return {
    end: ENDS[response.end],
    frames,
    match,
    text: match?.text ?? (binary ? lossy.decode(joined(frames.map((frame) => frame.bytes))) : frames.join("\n")),
    bytes: joined([...frames, ...(match === undefined ? [] : [match])].map((line) => line.bytes)),
    writeOffset: response.writeOffset,
    readOffset: response.readOffset,
    ...capturesOf(response.captures),
  };
}

const INLINE_FLAGS = "ims";
const MEANINGLESS_FLAGS = "dguvy";

/**
 * The pattern for the gateway. Of a RegExp its source and the flags i, m and s are taken; what the gateway's engine lacks (look-around,
 * back-references) is refused by the gateway.
 */
export function patternOf(pattern: string | RegExp): string;
export function patternOf(pattern: string | RegExp | undefined): string | undefined;
export function patternOf(pattern: string | RegExp | undefined): string | undefined {
  if (!(pattern instanceof RegExp)) {
    return pattern;
  }
  const flags = [...pattern.flags].filter((flag) => !MEANINGLESS_FLAGS.includes(flag));
  const unknown = flags.find((flag) => !INLINE_FLAGS.includes(flag));
  if (unknown !== undefined) {
    throw new TypeError(`the gateway's patterns have no flag like "${unknown}"`);
  }
  return flags.length === 0 ? pattern.source : `(?${flags.join("")})${pattern.source}`;
}

/** What both entries have in common. */
export type { Stubs } from "./calls.js";
export * from "./errors.js";
export type { ConnectionState } from "./link.js";
export { Listener, type UnlistenOptions } from "./listener.js";
export type * from "./options.js";
export {
  type Captures,
  type ExchangeAnswer,
  type InvalidText,
  Line,
  type LineTerminator,
  type Match,
  type Payload,
} from "./payload.js";
export { type Endpoint, Session } from "./session.js";
export type { EndReason, EventKind, SessionEnd, SessionEvent } from "./session_types.js";
export { Datagram, type DatagramSent, UdpSocket } from "./udp.js";
export { fromCall as errorOf } from "./wire_errors.js";
export type { Written } from "./writer.js";

/** The way to a gateway from Node: gRPC over HTTP/2, in clear or with TLS. */
import type { ClientSessionOptions, SecureClientSessionOptions } from "node:http2";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { Wire } from "./gateway.js";

/** TLS to the gateway. */
export interface TlsOptions {
  /** Certificates of authorities to trust, in PEM. Default: those of Node. */
  readonly ca?: string | Uint8Array;
  /** This client's certificate, in PEM, where the gateway asks for one. */
  readonly cert?: string | Uint8Array;
  /** The key of the certificate, in PEM. */
  readonly key?: string | Uint8Array;
  /** The name the gateway's certificate must have. Default: the host of the target. */
  readonly serverName?: string;
}

const DEFAULT_PORT = 50051;
/** An idle connection is asked for a sign of life; one that gives none for so long is made anew. */
const PING_INTERVAL = 20_000;
const PING_TIMEOUT = 10_000;
/** Bytes the gateway may send ahead: Node's own 64 KiB would make a bulk transfer wait for each round trip. */
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 4 * STREAM_WINDOW;

/** The URL of a target: `host`, `host:port`, `http://…`, `https://…`. @throws TypeError where it is none. */
export function urlOf(target: string, tls: boolean): URL {
  const text = /^[a-z]+:\/\//i.test(target) ? target : `${tls ? "https" : "http"}://${target}`;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new TypeError(`"${target}" is no address of a gateway: write host:port, or [address]:port for IPv6`);
  }
  if (!["http:", "https:"].includes(url.protocol) || (url.protocol === "http:" && tls)) {
    throw new TypeError(`"${target}" is no address of a gateway${tls ? " with TLS" : ""}: write host:port`);
  }
  // An URL does not show a port that is its scheme's own.
  if (url.port === "" && !/:(80|443)\/?$/.test(text)) {
    url.port = String(DEFAULT_PORT);
  }
  return url;
}

/** Opens the window of each connection, which Node lets only its session do. */
class SessionManager extends Http2SessionManager {
  readonly #opened = new WeakSet<object>();

  override async request(...args: Parameters<Http2SessionManager["request"]>): ReturnType<Http2SessionManager["request"]> {
    const stream = await super.request(...args);
    const { session } = stream;
    if (session !== undefined && !this.#opened.has(session)) {
      this.#opened.add(session);
      session.setLocalWindowSize(CONNECTION_WINDOW);
    }
    return stream;
  }
}

/** A transport of its own, and what closes it. */
export function transportTo(target: string, tls: TlsOptions | boolean | undefined): { transport: Transport; wire: Wire } {
  const secure = tls !== undefined && tls !== false;
  const url = urlOf(target, secure);
  const options: ClientSessionOptions | SecureClientSessionOptions = {
    settings: { initialWindowSize: STREAM_WINDOW },
    ...(typeof tls === "object" ? tlsOf(tls) : {}),
  };
  const manager = new SessionManager(
    url,
    { pingIntervalMs: PING_INTERVAL, pingTimeoutMs: PING_TIMEOUT, idleConnectionTimeoutMs: 0x7fff_ffff },
    options,
  );
  const transport = createGrpcTransport({ baseUrl: url.origin, sessionManager: manager });
  const abort = () => manager.abort();
  return { transport, wire: { target: `the gateway at ${url.host}`, reset: abort, close: abort } };
}

function tlsOf(tls: TlsOptions): SecureClientSessionOptions {
  const pem = (text: string | Uint8Array) => (typeof text === "string" ? text : Buffer.from(text));
  return {
    ...(tls.ca === undefined ? {} : { ca: pem(tls.ca) }),
    ...(tls.cert === undefined ? {} : { cert: pem(tls.cert) }),
    ...(tls.key === undefined ? {} : { key: pem(tls.key) }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
  };
}

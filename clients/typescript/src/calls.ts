/** Unary calls: with a time limit and typed errors; those that may be done twice are tried again. */
import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";
import type { GatewayError } from "./errors.js";
import { SessionService } from "./gen/tcpip/v1/session_service_pb.js";
import { SocketGatewayService } from "./gen/tcpip/v1/socket_gateway_service_pb.js";
import type { Token } from "./options.js";
import { retried } from "./timing.js";
import { fromCall } from "./wire_errors.js";

/** How long a call and its repetitions may take. */
export interface CallLimits {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds the gateway is allowed for it; the call itself gets a little more, so that the gateway's answer wins. */
  readonly timeout?: number | undefined;
}

/** Clients of the generated services. Their errors are Connect's: `errorOf` makes them this client's. */
export interface Stubs {
  /** Everything about sockets. */
  readonly sockets: Client<typeof SocketGatewayService>;
  /** What lives in the gateway. */
  readonly sessions: Client<typeof SessionService>;
}

const GRACE = 5000;

/** The transport with the token in every call. */
export function withToken(transport: Transport, token: Token | undefined): Transport {
  if (token === undefined) {
    return transport;
  }
  const authorized = async (header: HeadersInit | undefined) => {
    const headers = new Headers(header);
    headers.set("authorization", `Bearer ${typeof token === "function" ? await token() : token}`);
    return headers;
  };
  return {
    async unary(method, signal, timeout, header, input, context) {
      return await transport.unary(method, signal, timeout, await authorized(header), input, context);
    },
    async stream(method, signal, timeout, header, input, context) {
      return await transport.stream(method, signal, timeout, await authorized(header), input, context);
    },
  };
}

export class Calls implements Stubs {
  readonly sockets: Client<typeof SocketGatewayService>;
  readonly sessions: Client<typeof SessionService>;
  readonly #timeout: number;
  readonly #target: string;

  /** `target` names the gateway to people. */
  constructor(transport: Transport, timeout: number, target: string) {
    this.sockets = createClient(SocketGatewayService, transport);
    this.sessions = createClient(SessionService, transport);
    this.#timeout = timeout;
    this.#target = target;
  }

  /** The error of a call. */
  error(cause: unknown): GatewayError {
    return fromCall(cause, this.#target);
  }

  /** Calls once. @throws GatewayError, or the signal's reason. */
  async once<T>(call: (options: CallOptions) => Promise<T>, limits: CallLimits = {}): Promise<T> {
    const { signal, timeout } = limits;
    signal?.throwIfAborted();
    try {
      const timeoutMs = timeout === undefined ? this.#timeout : timeout + GRACE;
      return await call({ timeoutMs, ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      signal?.throwIfAborted();
      throw this.error(error);
    }
  }

  /** Calls again while the gateway cannot be reached. Only for calls that do the same when done twice. */
  retried<T>(call: (options: CallOptions) => Promise<T>, limits: CallLimits = {}): Promise<T> {
    return retried(() => this.once(call, limits), limits.timeout ?? this.#timeout, limits.signal);
  }
}

/**
 * The client for Node.
 *
 * @module
 */
import type { Transport } from "@connectrpc/connect";
import { Gateway as AnyGateway, FOREIGN_WIRE } from "./gateway.js";
import { type TlsOptions, transportTo } from "./node_transport.js";
import type { GatewayOptions } from "./options.js";

export * from "./index.js";
export type { TlsOptions } from "./node_transport.js";
export { SessionSocket } from "./socket.js";

/** How to open a gateway from Node. */
export interface NodeGatewayOptions extends GatewayOptions {
  /** TLS to the gateway: true for Node's own authorities. Default: for `https://` targets only. */
  readonly tls?: TlsOptions | boolean;
}

/** A connection to a gateway, from Node. */
export class Gateway extends AnyGateway {
  /**
   * Opens a gateway: `host:port`, `host` for port 50051, or a URL.
   *
   * @throws GatewayUnavailableError where no gateway answers in time, AuthenticationError where it does not take the token
   */
  static async open(target = "127.0.0.1:50051", options: NodeGatewayOptions = {}): Promise<Gateway> {
    const { transport, wire } = transportTo(target, options.tls);
    const gateway = new Gateway(transport, options, wire);
    await gateway.start(options);
    return gateway;
  }

  /** Opens a gateway over a transport of Connect that can stream both ways. */
  static override async over(transport: Transport, options: GatewayOptions = {}): Promise<Gateway> {
    const gateway = new Gateway(transport, options, FOREIGN_WIRE);
    await gateway.start(options);
    return gateway;
  }
}

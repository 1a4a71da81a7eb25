/**
 * The generated messages and services, for what the layer does not cover, such as the listings of `SessionService`.
 *
 * @module
 */
export * from "./gen/tcpip/v1/envelope_pb.js";
export * from "./gen/tcpip/v1/error_reason_pb.js";
export * from "./gen/tcpip/v1/session_service_pb.js";
export * from "./gen/tcpip/v1/socket_gateway_service_pb.js";

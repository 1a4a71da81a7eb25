/**
 * The entry without anything of Node: bring a transport of Connect that can stream both ways over HTTP/2, and say
 * `Gateway.over(transport, options)`.
 *
 * @module
 */
export { Gateway } from "./gateway.js";
export * from "./index.js";

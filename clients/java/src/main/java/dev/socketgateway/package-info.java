/**
 * Raw TCP and UDP sockets through a socket gateway: {@link dev.socketgateway.Gateway} opens them, {@link dev.socketgateway.Session},
 * {@link dev.socketgateway.Listener} and {@link dev.socketgateway.UdpSocket} are what it opens, and
 * {@link dev.socketgateway.GatewayException} tells what went wrong.
 */
package dev.socketgateway;

package dev.socketgateway;

/**
 * One bad argument.
 *
 * @param field its name in the gateway's API
 * @param description what is wrong with it and what would be right
 */
public record Violation(String field, String description) {}

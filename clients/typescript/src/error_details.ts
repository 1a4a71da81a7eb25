/**
 * The two details of `google.rpc` that the gateway's statuses carry, read off the wire. Their protos are public and not part of this
 * repository's, so nothing is generated for them; the field numbers are those of google/rpc/error_details.proto.
 */
import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Violation } from "./errors.js";

/** `google.rpc.ErrorInfo`: why, for programs. */
export interface ErrorInfo {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Calls back with each field of a message; it reads the field, or leaves it to be skipped by answering false. */
function fields(bytes: Uint8Array, take: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (!take(field, reader)) {
      reader.skip(type, field);
    }
  }
}

/** Two strings with the numbers 1 and 2: an entry of a map, and a field violation. */
function pairOf(bytes: Uint8Array): readonly [string, string] {
  const pair: [string, string] = ["", ""];
  fields(bytes, (field, reader) => {
    if (field !== 1 && field !== 2) {
      return false;
    }
    pair[field - 1] = reader.string();
    return true;
  });
  return pair;
}

/** Reads an ErrorInfo. */
export function errorInfoOf(bytes: Uint8Array): ErrorInfo {
  let reason = "";
  const metadata: Record<string, string> = {};
  fields(bytes, (field, reader) => {
    if (field === 1) {
      reason = reader.string();
      return true;
    }
    if (field === 3) {
      const [key, value] = pairOf(reader.bytes());
      metadata[key] = value;
      return true;
    }
    return false;
  });
  return { reason, metadata };
}

/** Reads a BadRequest. */
export function badRequestOf(bytes: Uint8Array): Violation[] {
  const violations: Violation[] = [];
  fields(bytes, (number, reader) => {
    if (number !== 1) {
      return false;
    }
    const [field, description] = pairOf(reader.bytes());
    violations.push({ field, description });
    return true;
  });
  return violations;
}

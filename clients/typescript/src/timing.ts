/** Durations, waiting, and trying again. Times are milliseconds, as everywhere in this client. */
import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import type { GatewayError } from "./errors.js";
import { fromCall, isTransient } from "./wire_errors.js";

/** A protobuf duration of milliseconds. */
export function duration(milliseconds: number): Duration;
export function duration(milliseconds: number | undefined): Duration | undefined;
export function duration(milliseconds: number | undefined): Duration | undefined {
  if (milliseconds === undefined) {
    return undefined;
  }
  if (!Number.isFinite(milliseconds) || milliseconds < 0) {
    throw new RangeError(`a time is a number of milliseconds, 0 or more, not ${milliseconds}`);
  }
  const whole = Math.floor(milliseconds / 1000);
  const nanos = Math.round((milliseconds - whole * 1000) * 1e6);
  return create(DurationSchema, { seconds: BigInt(whole), nanos });
}

/** Resolves after some time; rejects with the signal's reason. */
export function delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const done = () => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    const aborted = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** The promise's result, or the signal's reason, whichever is first. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) {
    return promise;
  }
  return new Promise<T>((resolve, reject) => {
    const aborted = () => reject(signal.reason);
    if (signal.aborted) {
      aborted();
      return;
    }
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}

const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 2000;

/** Pauses between attempts: each about twice the one before, up to 2 s, with jitter so that many clients do not come at once. */
export class Backoff {
  #pause = FIRST_PAUSE;

  /** The next pause. */
  next(): number {
    const pause = this.#pause * (0.5 + Math.random() / 2);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    return pause;
  }

  /** After a success. */
  reset(): void {
    this.#pause = FIRST_PAUSE;
  }
}

/**
 * Calls until it succeeds, fails for good, or the time is over. Only for calls that do the same when they are done twice.
 *
 * @throws GatewayError of the last attempt, or the signal's reason.
 */
export async function retried<T>(call: () => Promise<T>, patience: number, signal?: AbortSignal): Promise<T> {
  const until = Date.now() + patience;
  const backoff = new Backoff();
  for (;;) {
    try {
      return await call();
    } catch (cause) {
      signal?.throwIfAborted();
      const error: GatewayError = fromCall(cause);
      const pause = backoff.next();
      if (!isTransient(error) || Date.now() + pause > until) {
        throw error;
      }
      await delay(pause, signal);
    }
  }
}

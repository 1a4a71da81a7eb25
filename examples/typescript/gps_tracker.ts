// A server for GPS trackers: they dial in and send NMEA 0183 sentences; positions are printed, bad sentences are not believed.
//
//   node build/gps_tracker.js --port 5020
import { Gateway, type Session } from "@socket-gateway/client";
import { commandLine } from "./command_line.js";

const options = commandLine("A server for GPS trackers.", { host: "0.0.0.0", port: "5020" });

/** Whether the exclusive or of what is between $ and * is what follows. */
function isWhole(sentence: string): boolean {
  const parts = /^\$(.*)\*([0-9A-F]{2})$/i.exec(sentence);
  const sum = [...(parts?.[1] ?? "")].reduce((all, char) => all ^ char.charCodeAt(0), 0);
  return parts !== null && sum === Number.parseInt(parts[2] ?? "", 16);
}

/** ddmm.mmmm and a hemisphere, in degrees. */
function degrees(value: string, hemisphere: string): number {
  const point = value.indexOf(".") - 2;
  const size = Number(value.slice(0, point)) + Number(value.slice(point)) / 60;
  return "SW".includes(hemisphere) ? -size : size;
}

await using gateway = await Gateway.open(options.gateway);
// A tracker that is silent for ten minutes is gone.
await using listener = await gateway.listen(Number(options.port), {
  host: options.host,
  mode: "line",
  timeout: 600_000,
  onTimeout: "close",
});
console.log(`trackers dial port ${listener.local.port}`);
process.once("SIGINT", () => listener.close({ sessions: true }));

async function track(session: Session): Promise<void> {
  for await (const sentence of session.lines({ invalid: "replace" })) {
    if (!isWhole(sentence)) {
      console.log(`not believed: ${sentence}`);
      continue;
    }
    const [kind = "", time = "", status, latitude = "", north = "", longitude = "", east = ""] = sentence.slice(1).split(",");
    if (kind.endsWith("RMC") && status === "A") {
      console.log(`${time}: ${degrees(latitude, north).toFixed(5)}, ${degrees(longitude, east).toFixed(5)}`);
    }
  }
}

for await (const session of listener) {
  track(session).catch((error) => console.error(error.message));
}

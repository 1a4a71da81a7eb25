/** The conformance suite: all scenarios, or those whose ids begin with the arguments. */
import { GatewayProcess } from "../support/gateway.js";
import { FarEnd } from "./far_end.js";
import "./sessions.js";
import "./exchanges.js";
import "./listeners.js";
import "./resume.js";
import "./pressure.js";
import "./datagrams.js";
import "./views.js";
import "./errors.js";
import "./who_calls.js";
import { run } from "./suite.js";

const far = await FarEnd.start();
const shared = await GatewayProcess.start();
const failed = await run(far, shared, process.argv.slice(2));
await shared.kill();
await far[Symbol.asyncDispose]();
// A scenario that failed may have left something open.
process.exit(failed === 0 ? 0 : 1);

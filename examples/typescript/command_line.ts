// The command line of the examples: options with defaults, and --help.
import { parseArgs } from "node:util";

/** What an example was told: each option with its default, the gateway, and what else was given. */
export function commandLine<Name extends string>(
  about: string,
  defaults: Readonly<Record<Name, string>>,
): Record<Name | "gateway", string> & { readonly rest: readonly string[] } {
  const all: Record<string, string> = { gateway: process.env.GATEWAY ?? "127.0.0.1:50051", ...defaults };
  const options = Object.fromEntries(
    Object.entries(all).map(([name, preset]) => [name, { type: "string", default: preset } as const]),
  );
  try {
    const { values, positionals } = parseArgs({
      options: { ...options, help: { type: "boolean", default: false } },
      allowPositionals: true,
    });
    if (values.help !== true) {
      return { ...(values as Record<Name | "gateway", string>), rest: positionals };
    }
  } catch (error) {
    console.error((error as Error).message);
    process.exit(64);
  }
  console.log(about);
  for (const [name, preset] of Object.entries(all)) {
    console.log(`  --${name.padEnd(12)} default: ${preset === "" ? "none" : preset}`);
  }
  process.exit(0);
}

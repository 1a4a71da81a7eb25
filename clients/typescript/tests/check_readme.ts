/** Writes the README's blocks into build/readme, for the compiler to check their types against the package as it is installed. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { blocksOf } from "./support/readme.js";

const blocks = blocksOf(readFileSync("README.md", "utf8"));
mkdirSync("build/readme", { recursive: true });
for (const [at, code] of blocks.entries()) {
  writeFileSync(`build/readme/block${at}.ts`, code);
}

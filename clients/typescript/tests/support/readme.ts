/** The README's blocks of code. */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import ts from "typescript";

/** The blocks of TypeScript of a page. */
export function blocksOf(page: string): string[] {
  return [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((found) => found[1] as string);
}

/** Writes a block as a program with other ports, and tells its file. Its types are checked by `./test`. */
export function runnable(folder: string, code: string, ports: Readonly<Record<number, number>>): string {
  let text = code.replaceAll("Gateway.open()", 'Gateway.open("127.0.0.1:50051")');
  // In two steps, so that no port is replaced twice.
  for (const port of Object.keys(ports)) {
    text = text.replaceAll(new RegExp(`\\b${port}\\b`, "g"), `@${port}@`);
  }
  for (const [port, own] of Object.entries(ports)) {
    text = text.replaceAll(`@${port}@`, String(own));
  }
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/${createHash("sha256").update(text).digest("hex").slice(0, 16)}.mjs`;
  writeFileSync(file, outputText);
  return file;
}

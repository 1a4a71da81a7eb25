import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Gateway } from "../../src/node.js";
import { GatewayProcess, REPOSITORY } from "../support/gateway.js";
import { fails, type Scene, scenario } from "./suite.js";

function tokenOf(name: string): string {
  const digest = createHash("sha256").update(`conformance-${name}`).digest("hex");
  return `[[identity.tokens]]\nname = "${name}"\nsha256 = "${digest}"\n`;
}

const TOKENS = tokenOf("ann") + tokenOf("ben");

/** A folder that is removed at the end of the scenario. */
function folderOf(scene: Scene): string {
  const folder = mkdtempSync(`${tmpdir()}/conformance-`);
  scene.keep({
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  });
  return folder;
}

/** A gateway with this configuration. */
async function configured(scene: Scene, folder: string, text: string): Promise<GatewayProcess> {
  // Where callers have to say who they are, the policy does not let them dial loopback unless told to.
  writeFileSync(`${folder}/gateway.toml`, `[policy]\nprofile = "dev"\n${text}`);
  return scene.keep(await GatewayProcess.start(["--config", `${folder}/gateway.toml`]));
}

/** The suite's certificates, as the gateway's and a client's own. */
function certificatesOf(folder: string) {
  execFileSync(`${REPOSITORY}tests/conformance/certificates`, [folder], { stdio: "ignore" });
  const tls = `[tls]\ncertificate = "${folder}/server.pem"\nkey = "${folder}/server.key"\n`;
  return { tls, read: (name: string) => readFileSync(`${folder}/${name}`) };
}

async function echoes(scene: Scene, gateway: Gateway): Promise<void> {
  const { host } = scene.far;
  const session = await gateway.connect(host, scene.far.port("echo"), { mode: "line", terminator: "lf" });
  await session.send("hello");
  assert.equal(await session.readLine(), "hello");
  const { session: view } = await gateway.stubs.sessions.getSession({ sessionId: session.id });
  assert.equal(view?.sessionId, session.id);
}

scenario("S01-token", async (scene) => {
  const own = await configured(scene, folderOf(scene), TOKENS);
  await echoes(scene, await scene.open({ token: "conformance-ann" }, own.address));
  await echoes(scene, await scene.open({ token: async () => "conformance-ann" }, own.address));
});

scenario("S02-wrong-token", async (scene) => {
  const own = await configured(scene, folderOf(scene), TOKENS);
  // The patience is longer than a scenario may be: what fails did not wait for it.
  const openTimeout = 600_000;
  await fails(scene.open({ openTimeout }, own.address), "UNAUTHENTICATED", "unauthenticated");
  await fails(scene.open({ openTimeout, token: "wrong" }, own.address), "UNAUTHENTICATED", "unauthenticated");
});

scenario("S03-namespaces", async (scene) => {
  const own = await configured(scene, folderOf(scene), TOKENS);
  const [ann, ben] = [
    await scene.open({ token: "conformance-ann", subscriber: "same" }, own.address),
    await scene.open({ token: "conformance-ben", subscriber: "same" }, own.address),
  ];
  const options = { mode: "line", terminator: "lf", sessionId: "shared" } as const;
  for (const [gateway, word] of [
    [ann, "anns"],
    [ben, "bens"],
  ] as const) {
    const session = await gateway.connect(scene.far.host, scene.far.port("answers"), options);
    await session.send(word);
    assert.equal(await session.readLine(), `re: ${word}`);
  }
  const other = await ann.connect(scene.far.host, scene.far.port("silent"));
  await fails(ben.session(other.id), "SESSION_NOT_FOUND", "not_found");
});

scenario("S04-tls", async (scene) => {
  const folder = folderOf(scene);
  const { tls, read } = certificatesOf(folder);
  const own = await configured(scene, folder, TOKENS + tls);
  const token = "conformance-ann";
  await echoes(scene, await scene.open({ token, tls: { ca: read("ca.pem") } }, own.address));
  const strange = { token, tls: { ca: read("other-ca.pem") }, openTimeout: 1000 };
  await fails(scene.open(strange, own.address), "", "unavailable");
  await fails(scene.open({ token, openTimeout: 1000 }, own.address), "", "unavailable");
});

scenario("S05-client-certificate", async (scene) => {
  const folder = folderOf(scene);
  const { tls, read } = certificatesOf(folder);
  const asks = `${tls}client_ca = "${folder}/ca.pem"\nclient_auth = "required"\n`;
  const known = '[[identity.certificates]]\ndns = "conformance-client"\nname = "ann"\n';
  const own = await configured(scene, folder, known + asks);
  const ca = read("ca.pem");
  const mine = { ca, cert: read("client.pem"), key: read("client.key") };
  await echoes(scene, await scene.open({ tls: mine }, own.address));
  await assert.rejects(scene.open({ tls: { ca }, openTimeout: 1000 }, own.address));
});

/** The pieces of code in docs/client.md: as one program, type-checked as in a user's project, and run against a cluster. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ProcessCluster, TYPED_BUCKETS } from "./process-cluster.js";

const HEAD = `
import { MurmurClient, SiblingsError, TimeoutError } from "murmurdb/client";
const db = new MurmurClient({ nodes: ["http://127.0.0.1:8101"] });
const users = db.bucket("users");
await users.put("ada", { name: "Ada" });
const { value } = await users.get<{ name: string }>("ada");
console.log(value?.name);
`;

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Neither Node's types nor a browser's: what the client's own types need, they bring along. */
const COMPILER_OPTIONS = {
  ...{ strict: true, skipLibCheck: false, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
  ...{ module: "nodenext", target: "es2022", lib: ["es2023"], types: [] },
};

test("the code of docs/client.md type-check without any other types, and run", async () => {
  const cluster = await ProcessCluster.create({ nodes: 3, lines: TYPED_BUCKETS });
  try {
    const started = cluster.startAll();
    const folder = join(cluster.folder, "project");
    mkdirSync(join(folder, "node_modules"), { recursive: true });
    symlinkSync(root, join(folder, "node_modules", "murmurdb"));
    const samples = [...readFileSync(join(root, "docs", "client.md"), "utf8").matchAll(/```ts\n(.*?)```/gs)];
    assert.ok(samples.length >= 4);
    const program = [HEAD, ...samples.map(([, code]) => code), "await db.close();"].join("\n");
    writeFileSync(join(folder, "console.d.ts"), "declare const console: { log(...words: unknown[]): void };\n");
    writeFileSync(join(folder, "sample.ts"), program.replaceAll("http://127.0.0.1:8101", cluster.url("n1")));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: COMPILER_OPTIONS }));
    const compiled = spawnSync(join(root, "node_modules", ".bin", "tsc"), ["-p", folder], { encoding: "utf8" });
    assert.equal(compiled.status, 0, compiled.stdout);
    await started;
    const ran = spawnSync(process.execPath, [join(folder, "sample.js")], { encoding: "utf8", timeout: 20_000 });
    assert.equal(ran.status, 0, ran.stderr);
    assert.match(ran.stdout, /^Ada\n<h1>hello<\/h1> text\/html \[/);
  } finally {
    await cluster.close();
  }
});

// Checks that the description of the API is a source of clients: `make client`. It makes
// types of it, compiles a program against them and lints it. Then it leaves the two
// descriptions that oasdiff compares in build/.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { createConfig, lint } from "@redocly/openapi-core";

const here = dirname(fileURLToPath(import.meta.url));
const file = join(here, "..", "testdata", "openapi.json");
const build = join(here, "build");
mkdirSync(build, { recursive: true });

function run(what, script, ...args) {
  const done = spawnSync(process.execPath, [join(here, "node_modules", ...script), ...args], { cwd: here, encoding: "utf8" });
  const said = done.stdout + done.stderr;
  if (done.status !== 0 || /warn|⚠/i.test(said)) {
    console.error(`${what}:\n${said}`);
    process.exit(1);
  }
}

run("types of openapi.json", ["openapi-typescript", "bin", "cli.js"], file, "--output", join(build, "schema.ts"));
run("a program against the types", ["typescript", "bin", "tsc"], "--project", here);

// These addresses are those of the older contract, to the letter.
const withSlash = ["announcements", "courses", "rooms", "threads", "users"].map((name) => `/api/v1/${name}/`);
const count = {};
let errors = 0;
for (const p of await lint({ ref: file, config: await createConfig({ extends: ["recommended"] }) })) {
  if (p.ruleId === "no-path-trailing-slash" && withSlash.some((path) => p.message.includes(`\`${path}\``))) continue;
  count[p.ruleId] = (count[p.ruleId] ?? 0) + 1;
  if (p.severity !== "error") continue;
  errors++;
  console.error(`${p.ruleId}: ${p.message} at ${p.location[0]?.pointer}`);
}
console.log(`openapi.json: ${errors} errors; rules that remark something:`, count);
if (errors) process.exit(1);

// Where the released description has nothing but an object, its members were never
// promised, so that naming them now takes nothing away. Twins of an address that ends with
// a slash are answered as ever, and are no longer described.
const released = JSON.parse(gunzipSync(readFileSync(join(here, "released.json.gz"))).toString());
const now = JSON.parse(readFileSync(file, "utf8"));
for (const path of Object.keys(released.paths)) if (released.paths[`${path}/`] && !now.paths[path]) delete released.paths[path];
const untold = (schema) => schema && !schema.properties && !schema.$ref && (schema.additionalProperties === true || Object.keys(schema).length === 0);
for (const [name, schema] of Object.entries(released.components.schemas)) {
  for (const [member, was] of Object.entries(schema.properties ?? {})) {
    const is = now.components.schemas[name]?.properties?.[member];
    if (is && untold(was)) now.components.schemas[name].properties[member] = was;
    if (is?.items && was.items && untold(was.items)) is.items = was.items;
  }
}
writeFileSync(join(build, "released.json"), JSON.stringify(released));
writeFileSync(join(build, "now.json"), JSON.stringify(now));

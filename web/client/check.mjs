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
// A member that stands in a part of a schema is one of the schema.
function whole(schema) {
  if (schema.$ref) return whole(now.components.schemas[schema.$ref.split("/").pop()]);
  const parts = (schema.allOf ?? []).map(whole);
  return { properties: Object.assign({}, ...parts.map((part) => part.properties), schema.properties), required: [...parts, schema].flatMap((part) => part.required ?? []) };
}
for (const schema of Object.values(now.components.schemas)) {
  if (schema.$ref || schema.allOf) Object.assign(schema, whole(schema), { type: "object" });
  for (const word of ["$ref", "allOf"]) delete schema[word];
}
const untold = (schema) => schema && !schema.properties && !schema.$ref && (schema.additionalProperties === true || Object.keys(schema).length === 0);
for (const [name, schema] of Object.entries(released.components.schemas)) {
  for (const [member, was] of Object.entries(schema.properties ?? {})) {
    const is = now.components.schemas[name]?.properties?.[member];
    if (is && untold(was)) now.components.schemas[name].properties[member] = was;
    // An object or null: by reference, as it was written out.
    if (is?.anyOf?.length === 2 && was.properties && was.type.includes("null")) {
      now.components.schemas[name].properties[member] = { ...now.components.schemas[is.anyOf[0].$ref.split("/").pop()], type: was.type };
    }
    if (is?.items && was.items && untold(was.items)) is.items = was.items;
  }
}
writeFileSync(join(build, "released.json"), JSON.stringify(released));
writeFileSync(join(build, "now.json"), JSON.stringify(now));

// Keeps what the document promises today as that of the last release: run it when a
// release is made. Texts are left out, since nothing depends on them.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const doc = JSON.parse(readFileSync(join(here, "..", "testdata", "openapi.json"), "utf8"));
const named = new Set(["properties", "schemas", "parameters", "paths", "headers", "mapping"]);
function strip(v, names) {
  if (v === null || typeof v !== "object") return;
  for (const [key, below] of Object.entries(v)) {
    if (!names && typeof below !== "object" && ["description", "summary"].includes(key)) delete v[key];
    else if (!names && ["example", "examples", "tags", "info"].includes(key)) delete v[key];
    else strip(below, !Array.isArray(v) && named.has(key));
  }
}
const { title, version } = doc.info;
strip(doc);
doc.info = { title, version };
for (const item of Object.values(doc.paths)) {
  for (const op of Object.values(item)) if (op.responses) for (const response of Object.values(op.responses)) if (!response.$ref) response.description = "-";
}
for (const response of Object.values(doc.components.responses)) response.description = "-";
writeFileSync(join(here, "narrowed.txt"), "");
writeFileSync(join(here, "released.json.gz"), gzipSync(JSON.stringify(doc), { level: 9 }));

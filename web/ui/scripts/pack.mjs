// Packs what Vite has built in build/ into dist/, which the program embeds: texts compressed
// with brotli. SOURCES gets a sum of what they were built from. With --check it compares
// instead, uncompressed, since the bytes of brotli differ between versions of Node.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [build, dist] = [join(root, "build"), join(root, "dist")];
const check = process.argv.includes("--check");
// Fonts are compressed by themselves, and only the newest of their forms is asked for.
const asIs = /\.(woff2|png|webp)$/;
const dropped = /\.(woff|ttf)$/;
// What does not reach the build; ui.go and its test say the same.
const notBuilt = new Set(["build", "dist", "node_modules", "SOURCES", "ui.go", "ui_test.go", "e2e", "schema.d.ts"]);

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory()) yield* files(join(folder, entry.name));
    else yield join(folder, entry.name);
  }
}

function sources() {
  const sum = createHash("sha256");
  const names = [];
  for (const entry of readdirSync(root)) {
    if (notBuilt.has(entry)) continue;
    const path = join(root, entry);
    names.push(...(statSync(path).isDirectory() ? files(path) : [path]));
  }
  for (const path of names.map((p) => relative(root, p).split(sep).join("/")).sort()) {
    if (notBuilt.has(path.split("/").pop())) continue;
    sum.update(`${path}\0`).update(readFileSync(join(root, path))).update("\0");
  }
  return `${sum.digest("hex")}\n`;
}

function pack(body) {
  return brotliCompressSync(body, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
  });
}

const built = new Map();
for (const path of files(build)) {
  const name = relative(build, path);
  if (dropped.test(name)) continue;
  const body = readFileSync(path);
  built.set(asIs.test(name) ? name : `${name}.br`, body);
}
const unpacked = (name, body) => (name.endsWith(".br") ? brotliDecompressSync(body) : body);

if (check) {
  const kept = [...files(dist)].map((p) => relative(dist, p));
  const wrong = [...new Set([...kept, ...built.keys()])].filter(
    (name) => !kept.includes(name) || !built.has(name) || !unpacked(name, readFileSync(join(dist, name))).equals(built.get(name)),
  );
  if (wrong.length) {
    console.error(`web/ui/dist is not what the sources make; run make ui. Different: ${wrong.slice(0, 10).join(", ")}`);
    process.exit(1);
  }
} else {
  let size = 0;
  rmSync(dist, { recursive: true, force: true });
  for (const [name, body] of built) {
    const path = join(dist, name);
    const packed = name.endsWith(".br") ? pack(body) : body;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, packed);
    size += packed.length;
  }
  writeFileSync(join(root, "SOURCES"), sources());
  console.log(`web/ui/dist: ${built.size} files, ${size} bytes`);
}

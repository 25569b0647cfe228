// Writes the types of the API and of the frames from the description that the server gives.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const done = spawnSync(process.execPath, [
  join(here, "../node_modules/openapi-typescript/bin/cli.js"), join(here, "../../testdata/openapi.json"),
  "--output", join(here, "../src/api/schema.d.ts"),
], { stdio: "inherit" });
process.exit(done.status ?? 1);

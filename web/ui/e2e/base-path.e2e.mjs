// Two installations on one host, each below a path of its own, behind a real nginx: it takes the
// path of the one off and passes on that of the other.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { admin, end, person, serve, setUp, until } from "./harness.mjs";
import { box } from "./room.mjs";

after(end);

const nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"].find(existsSync);

/** A port that was free a moment ago. */
async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** nginx before the ports of the two installations. */
async function host(t, port, school, college) {
  const dir = mkdtempSync(join(tmpdir(), "coagent-nginx-"));
  mkdirSync(join(dir, "temp"));
  const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((n) => `${n}_temp_path ${dir}/temp/${n};`).join(" ");
  writeFileSync(
    join(dir, "nginx.conf"),
    `daemon off; pid ${dir}/pid; error_log ${dir}/error.log; events {}
    http { access_log off; ${temps}
      map $http_upgrade $coagent_connection { default upgrade; '' ''; }
      server { listen 127.0.0.1:${port};
        proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $coagent_connection; proxy_request_buffering off;
        location /school/ { proxy_pass http://127.0.0.1:${school}/; }
        location /college/ { proxy_pass http://127.0.0.1:${college}; }
        location / { return 418; } } }`,
  );
  const child = spawn(nginx, ["-p", dir, "-c", join(dir, "nginx.conf"), "-e", join(dir, "error.log")]);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(dir, { recursive: true, force: true });
  });
  await until(() => fetch(`http://127.0.0.1:${port}/`).then((a) => a.status === 418, () => false), "nginx to answer");
}

/** Signs in with the form, writes with a file, reloads a deep address, and leaves the page signed in. */
async function lesson(page, server, room) {
  await page.goto(`${server.url}/rooms/${room}`);
  await page.getByLabel("User name or e-mail").fill(admin.username);
  await page.getByLabel("Password", { exact: true }).fill(admin.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${server.url}/rooms/${room}`);
  await box(page).fill("Said below a path");
  await page.locator("input[type=file]").first().setInputFiles({ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Notes") });
  await page.getByText("notes.txt").first().waitFor();
  await box(page).press("Enter");
  await page.getByText("Said below a path").first().waitFor();
  const file = page.getByRole("link", { name: /notes\.txt/ });
  await file.waitFor();
  assert.match(await file.getAttribute("href"), new RegExp(`^${new URL(server.url).pathname}/api/v1/files/`));
  await page.reload();
  await page.getByText("Said below a path").first().waitFor();
}

test("two installations below paths of one host work whole, and share nothing", { skip: nginx ? false : "SKIPPED, there is no nginx" }, async (t) => {
  const [port, a, b] = [await freePort(), await freePort(), await freePort()];
  const below = (path, at) => serve(t, { addr: `127.0.0.1:${at}`, env: { COAGENT_HTTP_PUBLIC_URL: `http://127.0.0.1:${port}${path}`, COAGENT_HTTP_TRUSTED_PROXIES: "127.0.0.1" } });
  await host(t, port, a, b);
  const servers = [await below("/school", a), await below("/college", b)];
  const page = await person(t, { refused: [403, 404, 410] });
  const sockets = [];
  page.on("websocket", (ws) => sockets.push(ws.url()));
  for (const server of servers) {
    const teacher = await setUp(server);
    const course = await teacher("POST", "/courses/", { title: "Physics" });
    const room = await teacher("POST", "/rooms/", { course_id: course.id, name: "Group A" });
    server.room = room.id;
    server.code = (await teacher("PUT", `/courses/${course.id}/join-code`)).code;
    const link = await teacher("POST", `/users/${(await teacher("POST", "/users/", { username: "sam", full_name: "Sam", password: "a long enough one", role: "student" })).id}/password-link`);
    assert.ok(link.url.startsWith(`${server.url}/reset#token=`), link.url);
  }
  for (const server of servers) {
    await lesson(page, server, server.room);
    await until(() => sockets.some((url) => url.startsWith(server.url.replace("http", "ws"))), `a socket below ${server.url}`);
  }
  const cookies = await page.context().cookies();
  assert.deepEqual([...new Set(cookies.filter((c) => c.name === "access_token").map((c) => c.path))].sort(), ["/college", "/school"]);
  // Both are signed in beside each other, until one signs out.
  const [school, college] = servers;
  await page.goto(`${school.url}/rooms/${school.room}`);
  await box(page).waitFor();
  await page.goto(`${college.url}/join/${college.code}`);
  await page.goto(`${college.url}/`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("User name or e-mail").waitFor();
  assert.ok(page.url().startsWith(`${college.url}/`), page.url());
  await page.goto(`${school.url}/rooms/${school.room}`);
  await box(page).waitFor();
});

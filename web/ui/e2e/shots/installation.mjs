// The pages of the installation, and of the ways to sign in, in states that a sound machine with
// a school of this morning does not have: the answers of the server are altered on their way.

/** Alters what the server answers to a GET. */
export const altered = (path, what) => (page) =>
  page.route(path, async (route) => {
    if (route.request().method() !== "GET") return route.fallback();
    const answer = await route.fetch();
    const is = await answer.json();
    await route.fulfill({ response: answer, json: typeof what === "function" ? what(is) : Array.isArray(what) ? what : { ...is, ...what } });
  });
const all = (...befores) => async (page) => {
  for (const before of befores) await before(page);
};
const day = 86_400_000;
const ago = (ms) => new Date(Date.now() - ms).toISOString();

// Findings that a sound machine does not have, or only those that it has.
const clock = { check: "clock", state: "fault", text: "This machine's clock is 4m12s away from the database's: sign-ins and turns of agents end too early or too late", remedy: "Let both machines take their time from the network (NTP): `timedatectl set-ntp true`" };
const broken = (f) => (f.check === "clock" ? [] : f.check === "queue" ? { ...f, state: "warning", text: "14 jobs wait, the oldest for 3m0s", remedy: "Look whether a worker runs and keeps up (jobs.workers, jobs.turn_workers), and at /admin/queue" } : f);
const finding = (what, more = []) => altered("**/api/v1/admin/doctor*", (report) => ({ ...report, findings: [...more, ...report.findings.flatMap(what)] }));

// Backups of a school that has kept a server for some weeks.
const id = (n) => `0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e${String(n).padStart(2, "0")}`;
const stamp = (at) => at.replace(/[-:]|\.\d+/g, "");
const backup = (n, before, more = {}) => {
  const created_at = ago(before);
  return { id: id(n), state: "done", name: `coagent-${stamp(created_at)}-${id(n).slice(-6)}.coagent`, place: "/var/lib/coagent/backups", asked_by: null, with_keys: true, done: 31_204, total: 31_204, bytes: 48_200_000 + n * 310_000, sha256: "9f".repeat(32), reason: null, created_at, ended_at: created_at, ...more };
};
const bucket = "s3://grammar-school-backups/coagent/production?region=eu-central-1";
const running = (me) => backup(1, 40_000, { state: "running", asked_by: me, done: 11_200, total: 31_000, bytes: 0, sha256: null, ended_at: null });
const failed = backup(2, 2 * day, { state: "failed", bytes: 0, sha256: null, reason: "The folder /var/lib/coagent/backups cannot be written to: no space left on device (ENOSPC). Make room there, or name another place in backup.to" });
const backups = (list, more = {}) => altered("**/api/v1/admin/backups", (is) => ({ ...is, every_seconds: 86_400, keep: 14, place: "/var/lib/coagent/backups", with_keys: true, ...more, backups: list }));
const many = Array.from({ length: 14 }, (_, i) => backup(i + 3, (i + 0.4) * day));

// The keys, of which some are lost or old.
const columns = (change) => altered("**/api/v1/admin/keys", (is) => ({ ...is, ...change(is) }));
const spread = (is, of) => is.columns.map((c, i) => ({ ...c, ...of(c, i) }));
const older = (is) => ({ keys: 2, older: 131, columns: spread(is, (_, i) => (i < 3 ? { total: [42, 86, 11][i], current: [0, 5, 3][i], older: [42, 81, 8][i] } : {})), rotation: null });
const rotating = (is) => ({ ...older(is), rotation: { id: id(70), state: "running", done: 52, total: 139, rewritten: 44, unreadable: 0, reason: null, started_at: ago(20_000), ended_at: null } });
const done = () => ({ keys: 2, older: 0, rotation: { id: id(71), state: "done", done: 139, total: 139, rewritten: 131, unreadable: 0, reason: null, started_at: ago(400_000), ended_at: ago(300_000) } });
const lost = (is) => ({ keys: 1, older: 0, unreadable: 9, columns: spread(is, (_, i) => (i < 2 ? { total: [42, 86][i], current: [36, 83][i], unreadable: [6, 3][i], unreadable_ids: Array.from({ length: [6, 3][i] }, (_, n) => id(20 + 10 * i + n)) } : {})), rotation: { id: id(72), state: "failed", done: 128, total: 137, rewritten: 0, unreadable: 9, reason: "9 values cannot be read with any key of auth.encryption_keys", started_at: ago(400_000), ended_at: ago(300_000) } });

// Providers of identities, by the names that operators give them.
const providers = [
  { id: "school", name: "Städtisches Gymnasium am Wolfeschlegelsteinhausenbergerdorffer Platz" },
  { id: "google", name: "Google" },
  { id: "edu", name: "教育體系單一簽入服務" },
  { id: "microsoft", name: "Microsoft" },
  { id: "nextcloud", name: "Nextcloud of the parents' council" },
];
const offered = (n) => altered("**/api/v1/login/providers", providers.slice(n === 1 ? 1 : 0, n === 1 ? 2 : n));
const identity = (provider, n, email) => ({ id: id(80 + n), provider, email, email_verified: true, created_at: ago(40 * day), last_used_at: ago((n + 1) * 3 * 3_600_000) });
const linked = (...list) => altered("**/api/v1/users/me/identities", list);
const mine = [identity("school", 0, "charlotte.nakamura-weiss@staff.gymnasium-wolfeschlegelsteinhausen.example"), identity("edu", 1, "c.nakamura@edu.example")];

const factor = (what) => altered("**/users/me/two-factor", what);
const on = { on: true, since: "2026-09-01T08:00:00Z", recovery_codes_left: 9 };
const codes = (page) => page.route("**/two-factor/recovery-codes", (route) => route.fulfill({ json: { recovery_codes: Array.from({ length: 10 }, (_, i) => `k4qa-7m2x-${"abcdefghij"[i]}3fz`) } }));
const codeNeeded = (page) => page.route("**/login/access-token", (route) => route.fulfill({ status: 400, contentType: "application/problem+json", body: JSON.stringify({ code: "two_factor_needed", status: 400, title: "Bad Request", detail: "Enter the code", message: "Enter the code" }) }));
const press = (name) => (page) => page.getByRole("button", { name }).first().click();
const dialog = (name) => async (page) => {
  await press(name)(page);
  await page.getByRole("dialog").waitFor();
};
async function typed(page) {
  await page.getByLabel("User name or e-mail").fill("ada");
  await page.getByLabel("Password", { exact: true }).fill("not hers");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByLabel("Code", { exact: true }).waitFor();
}
const recovery = async (page) => {
  await typed(page);
  await press(/recovery code/)(page);
};
const setUp = async (page, { password }) => {
  await page.getByLabel("Present password").fill(password);
  await press("Continue")(page);
  await page.getByRole("img", { name: /for a camera/ }).waitFor();
};
async function newCodes(page) {
  await press("New recovery codes")(page);
  await page.getByRole("dialog").getByLabel("Present password").fill("what it is");
  await press("Make new codes")(page);
  await page.getByText("I have kept them").waitFor();
}

/** The shots of the ways to sign in. */
export function ways({ teacher }) {
  const t = (state, more) => ({ page: "security", state, as: teacher, path: "/account/security", wait: "main h2", ...more });
  return [
    { page: "sign-in", state: "one provider", path: "/sign-in", wait: "form", before: offered(1), zh: true },
    { page: "sign-in", state: "five providers", path: "/sign-in", wait: "form", before: offered(5) },
    { page: "sign-in", state: "code", path: "/sign-in", wait: "form", before: codeNeeded, open: typed },
    { page: "sign-in", state: "recovery code", path: "/sign-in", wait: "form", before: codeNeeded, open: recovery },
    { page: "two-factor", state: "asked of staff", as: teacher, path: "/two-factor", before: altered("**/api/v1/users/me", { two_factor: "required" }), wait: "form", zh: true },
    { page: "two-factor", state: "asked of staff, key", as: teacher, path: "/two-factor", before: altered("**/api/v1/users/me", { two_factor: "required" }), wait: "form", open: (page) => setUp(page, teacher) },
    t("", { zh: true }),
    t("two-factor password", { open: press("Set up") }),
    t("two-factor key", { open: async (page) => (await press("Set up")(page), setUp(page, teacher)) }),
    t("two-factor on", { before: factor(on), zh: true }),
    t("two-factor few codes, asked of staff", { before: factor({ ...on, recovery_codes_left: 2, required: true }) }),
    t("two-factor remove", { before: factor(on), open: dialog("Remove") }),
    t("recovery codes", { before: all(factor(on), codes), open: newCodes }),
    t("no account linked", { before: all(offered(5), linked()) }),
    t("accounts linked", { before: all(offered(5), linked(...mine)), zh: true }),
    t("only one account", { before: all(offered(1), linked(identity("google", 0, "c.nakamura@school.example")), factor({ password: false })) }),
    t("link an account", { before: all(offered(5), linked(...mine)), open: dialog("Link Google") }),
  ];
}

/** The shots of the installation's pages, which a super admin sees. */
export function installation({ owner, teacher }) {
  const o = (page, state, path, more = {}) => ({ page, state, as: owner, path: `/installation${path}`, wait: "main [role=status], main li, main h2:not(.sr-only)", ...more });
  const overview = (state, more) => o("installation", state, "", { ...more, wait: "main [role=status]" });
  const b = (state, before, more) => o("backups", state, "/backups", { before, ...more, wait: "main section div" });
  const k = (state, change, more) => o("encryption", state, "/keys", { before: change && columns(change), ...more, wait: "main [role=status]" });
  return [
    overview("", { zh: true }),
    overview("all in order", { before: finding((f) => (f.state === "ok" ? f : [])), zh: true }),
    overview("faults", { before: finding(broken, [clock]), zh: true, open: (page) => page.locator("main summary").first().click() }),
    { page: "installation", state: "refused", as: teacher, path: "/installation" },
    b("none", backups([], { every_seconds: 0 }), { zh: true }),
    b("one under way", backups([running(null), backup(3, day * 1.2)]), { busy: true, zh: true }),
    b("failed", backups([failed, ...many.slice(2, 4)], { every_seconds: 0, with_keys: false }), { zh: true, open: (page) => page.locator("main summary").last().click() }),
    b("many, in a bucket", backups(many.map((m) => ({ ...m, place: bucket })), { place: bucket }), { zh: true }),
    b("menu", backups(many.slice(0, 3)), { open: (page) => page.locator("main li button[aria-haspopup]").first().click() }),
    b("delete", backups(many.slice(0, 3)), {
      open: async (page) => {
        await page.locator("main li button[aria-haspopup]").first().click();
        await page.getByRole("menuitem", { name: "Delete" }).click();
        await page.getByRole("dialog").waitFor();
      },
    }),
    k("", undefined, { zh: true }),
    k("older", older, { zh: true }),
    k("rotating", rotating, { busy: true, zh: true }),
    k("old ones can go", done),
    k("lost", lost, { zh: true, open: (page) => page.locator("main summary").first().click() }),
  ];
}

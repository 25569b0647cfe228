// The entry: decides by the address and the session what is shown (sign-in,
// set-up, the list of rooms, one room).

import * as api from "./api.js";
import { byId } from "./dom.js";
import { forget, unsentCount } from "./outbox.js";
import { Room } from "./room.js";
import * as rooms from "./rooms.js";

const productName = "CoAgent Studio";
// Where another client has the root, this page is at /studio.
const home = location.pathname === "/studio" ? "/studio" : "/";

let me = null;
let groups = [];
let current = null; // {id, room}
let unread = 0;
let title = productName;

function show(view) {
  document.body.dataset.view = view;
  for (const name of ["boot", "signin", "setup", "reset", "studio"]) byId(`${name}-view`).hidden = name !== view;
}

function setTitle(name) {
  title = name ? `${name} · ${productName}` : productName;
  document.title = unread > 0 ? `(${unread}) ${title}` : title;
}

// ----- sign-in

function showSignIn(notice = "") {
  leaveRoom();
  me = null;
  groups = [];
  rooms.clear();
  setTitle("Sign in");
  byId("signin-notice").textContent = notice;
  byId("signin-notice").hidden = notice === "";
  byId("signin-error").textContent = "";
  byId("password").value = "";
  show("signin");
  byId(byId("username").value === "" ? "username" : "password").focus();
}

async function signIn(event) {
  event.preventDefault();
  const submit = byId("signin-submit");
  if (submit.disabled) return;
  byId("signin-error").textContent = "";
  submit.disabled = true;
  submit.textContent = "Signing in…";
  let wait = 0;
  try {
    await api.signIn(byId("username").value.trim(), byId("password").value);
    me = await api.me();
    if (me === null) throw new Error("This browser did not keep the sign-in cookie. Please allow cookies for this address.");
    byId("password").value = "";
    await showStudio();
  } catch (problem) {
    byId("signin-error").textContent = problem.message;
    wait = problem.status === 429 ? (problem.retryAfter ?? 0) : 0;
    if (wait === 0) byId("password").select();
  }
  release(submit, "Sign in", wait);
}

// release gives a button back, after as many seconds as the server asked for.
function release(submit, label, seconds) {
  submit.disabled = seconds > 0;
  submit.textContent = seconds > 0 ? `Try again in ${seconds} s` : label;
  if (seconds > 0) setTimeout(() => release(submit, label, seconds - 1), 1000);
}

async function signOut() {
  const unsent = unsentCount(me.id);
  if (unsent > 0 && !window.confirm(`${unsent === 1 ? "One line is" : `${unsent} lines are`} not sent yet. Sign out and drop what is unsent?`)) return;
  const out = byId("signout");
  out.disabled = true;
  try {
    await api.signOut();
    forget();
    byId("username").value = "";
    history.replaceState(null, "", home);
    showSignIn();
  } catch (problem) {
    if (problem.status === 401) showSignIn();
    else window.alert(`You are still signed in. ${problem.message}`);
  } finally {
    out.disabled = false;
  }
}

// ----- a new password by a link

let resetToken = "";

function showReset() {
  setTitle("New password");
  show("reset");
  resetToken = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  // Neither the history nor a screenshot shall keep the token.
  history.replaceState(null, "", "/reset");
  byId("reset-submit").disabled = resetToken === "";
  if (resetToken !== "") byId("reset-password").focus();
  else byId("reset-error").textContent = "This link is incomplete. Please open the whole link that you were given.";
}

async function resetPassword(event) {
  event.preventDefault();
  const error = byId("reset-error");
  const password = byId("reset-password").value;
  if (password !== byId("reset-again").value) {
    error.textContent = "The two passwords differ. Please type the same one twice.";
    byId("reset-again").select();
    return;
  }
  error.textContent = "";
  const submit = byId("reset-submit");
  submit.disabled = true;
  try {
    await api.resetPassword(resetToken, password);
    location.replace(home);
  } catch (problem) {
    error.textContent = problem.message;
    release(submit, "Set the password", problem.status === 429 ? (problem.retryAfter ?? 0) : 0);
  }
}

// ----- set-up

function showSetUp() {
  setTitle("Set up");
  show("setup");
  const hasToken = new URLSearchParams(location.search).get("token");
  byId("setup-submit").disabled = !hasToken;
  if (hasToken) byId("setup-email").focus();
  else byId("setup-error").textContent = "This link is incomplete. Please open the whole link that the server printed when it started.";
}

async function setUp(event) {
  event.preventDefault();
  const error = byId("setup-error");
  const password = byId("setup-password").value;
  if (password !== byId("setup-again").value) {
    error.textContent = "The two passwords differ. Please type the same one twice.";
    byId("setup-again").select();
    return;
  }
  error.textContent = "";
  const submit = byId("setup-submit");
  submit.disabled = true;
  try {
    const token = new URLSearchParams(location.search).get("token");
    await api.setUp(token, byId("setup-email").value.trim(), byId("setup-name").value.trim(), password);
    location.replace(home);
  } catch (problem) {
    error.textContent = problem.message;
    release(submit, "Create the account", problem.status === 429 ? (problem.retryAfter ?? 0) : 0);
  }
}

// ----- rooms

async function showStudio() {
  forget(me.id);
  byId("me-name").textContent = me.full_name || me.username || me.email;
  byId("me-role").textContent = (me.role ?? "").replace("_", " ");
  show("studio");
  await loadRooms();
  if (me !== null) await route();
}

async function loadRooms() {
  const refresh = byId("rooms-refresh");
  refresh.disabled = true;
  try {
    groups = await rooms.load();
    if (me === null) return;
    rooms.show(groups, current?.id, nothingToOpen());
    if (roomInAddress() === null) showHome();
  } catch (problem) {
    if (me !== null) rooms.showProblem(problem.message);
  } finally {
    refresh.disabled = false;
  }
}

function roomInAddress() {
  const match = /^#\/rooms\/([^/?]+)$/.exec(location.hash);
  try {
    return match ? decodeURIComponent(match[1]) : null;
  } catch {
    return null;
  }
}

async function route() {
  if (me === null) return;
  const id = roomInAddress();
  if (id !== null && id === current?.id) return;
  leaveRoom();
  rooms.mark(id);
  byId("studio-view").dataset.pane = id === null ? "list" : "room";
  if (id === null) {
    setTitle("");
    showHome();
    return;
  }
  await openRoom(id);
}

function showHome() {
  if (groups.some(({ rooms }) => rooms.length > 0)) showEmpty("Choose a room", "Pick a room from the list to read along and write.");
  else showEmpty("Nothing to open yet", nothingToOpen());
}

// nothingToOpen says what would change that.
function nothingToOpen() {
  if (["admin", "super_admin"].includes(me.role)) {
    return "There is no room yet. To try everything, run “coagent seed-demo” on the server; or make courses and rooms through its API, which /openapi.json describes.";
  }
  if (me.role === "teacher") return "You have no room yet. Courses and rooms are made through the server's API, which /openapi.json describes; this page is for talking in them.";
  return "As soon as a teacher takes you into a course or a room, it appears in the list. Refresh it then.";
}

function leaveRoom() {
  current?.room.close();
  current = null;
  unread = 0;
}

async function openRoom(id) {
  const room = new Room(id, me, {
    onEnd: (reason) => roomEnded(id, reason),
    onMessage: countUnread,
  });
  current = { id, room };
  const isCurrent = () => current?.room === room;
  showEmpty("Opening the room…", "");
  try {
    const known = rooms.find(groups, id)?.room ?? (await api.room(id));
    await room.load();
    if (!isCurrent()) return;
    setTitle(known.name);
    byId("room-name").textContent = known.name;
    const aiOff = known.is_ai_active === false || known.ai_mode === "off";
    const ai = aiOff ? "AI is switched off here." : room.isSilent ? "No AI agent is active here." : "";
    byId("room-about").textContent = [known.description, ai].filter(Boolean).join(" · ");
    byId("pane-empty").hidden = true;
    byId("room").hidden = false;
    room.start();
  } catch (problem) {
    if (isCurrent()) roomProblem(problem);
  }
}

function roomProblem(problem) {
  leaveRoom();
  if (problem.status === 403 || problem.status === 404) showEmpty("This room is not open to you", problem.message);
  else showEmpty("The room could not be opened", problem.message, { retry: true });
  byId("empty-title").focus();
}

function roomEnded(id, reason) {
  if (current?.id !== id) return;
  if (reason === "session") {
    sessionEnded();
    return;
  }
  leaveRoom();
  showEmpty("You are no longer in this room", "Ask its teacher if you think that this is a mistake.");
  byId("empty-title").focus();
  loadRooms();
}

function showEmpty(heading, text, { retry = false } = {}) {
  byId("room").hidden = true;
  byId("pane-empty").hidden = false;
  byId("empty-title").textContent = heading;
  byId("empty-text").textContent = text;
  byId("empty-retry").hidden = !retry;
}

function countUnread() {
  if (!document.hidden) return;
  unread += 1;
  document.title = `(${unread}) ${title}`;
}

function sessionEnded() {
  if (me === null) return;
  byId("username").value = me.username || me.email;
  showSignIn("Your session has ended. Please sign in again; what you had not sent is kept.");
}

// ----- start

async function boot() {
  byId("boot-retry").hidden = true;
  byId("boot-text").textContent = "Loading…";
  show("boot");
  try {
    me = await api.me();
  } catch (problem) {
    byId("boot-text").textContent = problem.message;
    byId("boot-retry").hidden = false;
    return;
  }
  if (me === null) showSignIn();
  else await showStudio();
}

api.onSessionEnd(sessionEnded);
byId("signin-form").addEventListener("submit", signIn);
byId("setup-form").addEventListener("submit", setUp);
byId("reset-form").addEventListener("submit", resetPassword);
byId("signout").addEventListener("click", signOut);
byId("boot-retry").addEventListener("click", boot);
byId("rooms-refresh").addEventListener("click", loadRooms);
byId("empty-retry").addEventListener("click", route);
window.addEventListener("hashchange", route);
// Some browsers lay the on-screen keyboard over the page instead of shrinking it.
window.visualViewport?.addEventListener("resize", ({ target: { height, scale } }) => {
  const { style, clientHeight } = document.documentElement;
  const covered = Math.abs(scale - 1) < 0.01 && height < clientHeight - 1;
  if (covered) style.setProperty("--visible", `${height}px`);
  else style.removeProperty("--visible");
  if (covered) window.scrollTo(0, 0);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = title;
});
if (location.pathname === "/setup") showSetUp();
else if (location.pathname === "/reset") showReset();
else boot();

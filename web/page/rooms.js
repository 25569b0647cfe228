// The side list: rooms, grouped by course.

import * as api from "./api.js";
import { byId, el } from "./dom.js";

// load fetches every course and its rooms; a course whose rooms fail to load
// keeps its place with the problem.
export async function load() {
  const courses = await api.courses();
  return Promise.all(
    courses.map(async (course) => {
      try {
        return { course, rooms: await api.roomsOf(course.id) };
      } catch (problem) {
        if (problem.status === 401) throw problem;
        return { course, rooms: [], problem: problem.message };
      }
    }),
  );
}

export function find(groups, roomId) {
  for (const { course, rooms } of groups) {
    const room = rooms.find(({ id }) => id === roomId);
    if (room) return { course, room };
  }
  return null;
}

// clear forgets the list, which the next person must not see.
export function clear() {
  const list = byId("room-list");
  list.setAttribute("aria-busy", "true");
  list.replaceChildren();
}

// show fills the list; advice is for somebody who has no room, where no pane
// beside the list gives it.
export function show(groups, currentId, advice) {
  const list = byId("room-list");
  list.setAttribute("aria-busy", "false");
  list.replaceChildren();
  if (groups.length === 0) list.append(el("p", { class: "list-note" }, "No rooms yet."));
  if (groups.every(({ rooms }) => rooms.length === 0)) list.append(el("p", { class: "list-note only-narrow" }, advice));
  list.append(...groups.map((group) => section(group, currentId)));
}

export function showProblem(text) {
  const list = byId("room-list");
  list.setAttribute("aria-busy", "false");
  list.replaceChildren(el("p", { class: "list-note error", role: "alert" }, text));
}

export function mark(currentId) {
  for (const link of byId("room-list").querySelectorAll("a[data-room-id]")) {
    if (link.dataset.roomId === currentId) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function section({ course, rooms, problem }, currentId) {
  const titleId = `course-${course.id}`;
  const part = el(
    "section",
    { "aria-labelledby": titleId },
    el("h2", { id: titleId, title: course.owner_name ? `Taught by ${course.owner_name}` : null, dir: "auto" }, course.title),
  );
  if (problem) part.append(el("p", { class: "list-note error" }, problem));
  else if (rooms.length === 0) part.append(el("p", { class: "list-note" }, "No rooms yet."));
  else part.append(el("ul", {}, ...rooms.map((room) => el("li", {}, link(room, currentId)))));
  return part;
}

function link(room, currentId) {
  return el(
    "a",
    { href: `#/rooms/${encodeURIComponent(room.id)}`, "data-room-id": room.id, "aria-current": room.id === currentId ? "page" : null, dir: "auto" },
    el("span", { class: "room-link-name" }, room.name),
    room.description ? el("span", { class: "room-link-about" }, room.description) : null,
  );
}

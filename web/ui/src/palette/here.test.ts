import { expect, test } from "vitest";
import { mayNothing } from "@/courses/course";
import { commandsHere } from "./here";

type Around = Parameters<typeof commandsHere>[1];
const around = (staff: boolean, leads = staff, archived = false): Around => ({
  staff,
  room: (id) => (id === "r" ? { courseId: "c", leads } : undefined),
  course: (id) => (id === "c" ? { can: { ...mayNothing, enrol: leads, edit: leads }, ...(archived ? { archived_at: "2026-01-01T00:00:00Z" } : {}) } : undefined),
});
const ids = (path: string, params: Record<string, string>, staff = true, query = {}): string[] => commandsHere({ path, params, query }, around(staff)).map((c) => c.id);

test("a room offers its agents and its course", () => {
  expect(ids("/rooms/r", { room: "r" })).toEqual(["roomAgents", "newAgent", "courseHome", "people", "announcements", "invite", "import", "courseSettings"]);
  expect(ids("/rooms/r", { room: "r" }, false)).toEqual(["courseHome", "people", "announcements"]);
});
test("what the person may in this course counts, not the role on the server", () => {
  const at = (a: Around): string[] => commandsHere({ path: "/rooms/r", params: { room: "r" }, query: {} }, a).map((c) => c.id);
  expect(at(around(true, false))).toEqual(["courseHome", "people", "announcements"]); // a teacher who is a guest there
  expect(at(around(false, true))).toEqual(["roomAgents", "courseHome", "people", "announcements", "invite", "import", "courseSettings"]); // a student who assists
  expect(at(around(true, true, true))).toEqual(["roomAgents", "courseHome", "people", "announcements", "courseSettings"]); // an archived course
});
test("a course does not offer the page that is open", () => expect(ids("/courses/c/people", { course: "c" }, false)).toEqual(["courseHome", "announcements"]));
test("an agent offers its other parts", () => {
  expect(ids("/agents/p/a", { project: "p", agent: "a" })).toEqual(["model", "speaks", "tools", "versions", "more"].map((tab) => `agentTab.${tab}`));
  expect(ids("/agents/p/a", { project: "p", agent: "a" }, true, { tab: "more" })).not.toContain("agentTab.more");
});
test("other pages offer nothing of their own", () => expect(ids("/home", {})).toEqual([]));

import { expect, test } from "vitest";
import { commandsHere } from "./here";

const around = (staff: boolean): Parameters<typeof commandsHere>[1] => ({ staff, courseOf: (room) => (room === "r" ? "c" : undefined) });
const ids = (path: string, params: Record<string, string>, staff = true, query = {}): string[] => commandsHere({ path, params, query }, around(staff)).map((c) => c.id);

test("a room offers its agents and its course", () => {
  expect(ids("/rooms/r", { room: "r" })).toEqual(["roomAgents", "newAgent", "courseHome", "people", "announcements", "invite", "import", "courseSettings"]);
  expect(ids("/rooms/r", { room: "r" }, false)).toEqual(["courseHome", "people", "announcements"]);
});
test("a course does not offer the page that is open", () => expect(ids("/courses/c/people", { course: "c" }, false)).toEqual(["courseHome", "announcements"]));
test("an agent offers its other parts", () => {
  expect(ids("/agents/p/a", { project: "p", agent: "a" })).toEqual(["model", "speaks", "tools", "versions", "more"].map((tab) => `agentTab.${tab}`));
  expect(ids("/agents/p/a", { project: "p", agent: "a" }, true, { tab: "more" })).not.toContain("agentTab.more");
});
test("other pages offer nothing of their own", () => expect(ids("/home", {})).toEqual([]));

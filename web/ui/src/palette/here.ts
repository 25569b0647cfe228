import type { RouteLocationNormalizedLoaded } from "vue-router";
import type { Schemas } from "@/api/client";

/** A command of the page that is open: the key of its text, and where it leads. */
export interface Command {
  id: string;
  to: string;
}

export interface Around {
  /** The person makes agents, by the role on this server. */
  staff: boolean;
  room: (id: string) => { courseId: string; leads: boolean } | undefined;
  course: (id: string) => Pick<Schemas["CourseOut"], "can" | "archived_at"> | undefined;
}

/** What one may want on the page that is open, besides what is offered on all pages. */
export function commandsHere(route: Pick<RouteLocationNormalizedLoaded, "params" | "path" | "query">, around: Around): Command[] {
  const found: Command[] = [];
  const param = (name: string): string | undefined => (typeof route.params[name] === "string" && route.params[name] !== "" ? route.params[name] : undefined);
  const room = param("room");
  const roomHere = room ? around.room(room) : undefined;
  const course = param("course") ?? roomHere?.courseId;
  const known = course ? around.course(course) : undefined;
  const can = known?.can;
  const archived = known?.archived_at !== undefined;
  if (roomHere?.leads) {
    found.push({ id: "roomAgents", to: `/rooms/${room}/agents` });
    if (around.staff && !archived) found.push({ id: "newAgent", to: `/rooms/${room}/agents/new` });
  }
  if (course) {
    const at = `/courses/${course}`;
    found.push({ id: "courseHome", to: at }, { id: "people", to: `${at}/people` }, { id: "announcements", to: `${at}/announcements` });
    // As the tabs of the course are.
    if (can?.enrol && !archived) found.push({ id: "invite", to: `${at}/invite` }, { id: "import", to: `${at}/import` });
    if (can && (can.edit || can.archive || can.transfer || can.delete)) found.push({ id: "courseSettings", to: `${at}/settings` });
  }
  const agent = param("agent");
  const open = typeof route.query["tab"] === "string" ? route.query["tab"] : "words";
  if (agent) for (const tab of ["words", "model", "speaks", "tools", "versions", "more"].filter((one) => one !== open)) found.push({ id: `agentTab.${tab}`, to: `/agents/${param("project")}/${agent}?tab=${tab}` });
  // Where one is already is no way.
  return found.filter((c) => c.to !== route.path);
}

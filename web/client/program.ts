// A client as somebody might write it, against the types that build/schema.ts has. It is
// compiled and never run. Each @ts-expect-error is a mistake that the types must find.
import createClient from "openapi-fetch";
import type { components, paths } from "./build/schema.ts";

type Schemas = components["schemas"];
const api = createClient<paths>({ baseUrl: "http://127.0.0.1:8000" });

/** Makes a room with an agent in it and says something. */
export async function begin(course_id: string, project_id: string): Promise<string> {
  const room = await api.POST("/api/v1/rooms/", { body: { course_id, name: "Group A", ai_mode: "both" } });
  if (room.error) throw new Error(`${room.error.code}: ${room.error.detail}`);
  const agents = await api.GET("/api/v1/agents/{id}", { params: { path: { id: project_id } } });
  const first = agents.data?.[0];
  if (first) await api.POST("/api/v1/rooms/{room_id}/agents/{agent_id}", { params: { path: { room_id: room.data.id, agent_id: first.id } } });
  const said = await api.POST("/api/v1/rooms/{room_id}/messages", { params: { path: { room_id: room.data.id } }, body: { text: "Good morning!" } });
  const history = await api.GET("/api/v1/chat/messages/{room_id}", { params: { path: { room_id: room.data.id } } });
  return `${said.data?.seq} of ${history.data?.length}`;
}

/** Shows what a room's socket sends; the compiler knows the members of each type. */
export function show(frame: Schemas["RoomFrame"]): string {
  switch (frame.type) {
    case "message": return `${frame.sender}: ${frame.content ?? ""}`;
    case "delta": return `${frame.turn_id} +${frame.text}`;
    case "presence": return frame.members.map((m) => m.name).join(", ");
    case "error": return frame.detail;
    default: return frame.type;
  }
}

export const post: Schemas["RoomRequest"] = { type: "post", client_id: "1", text: "Hello" };
export const trigger: Schemas["TriggerConfig"] = { logic: "or", trigger: { enabled_conditions: ["message_count"], message_count: 5 } };
export const weekdays: Schemas["ScheduleConfig"] = { mode: "whitelist", rules: [{ type: "day_of_week", days: [1], time_range: ["08:00", "16:00"] }] };

export function mistakes(course: Schemas["CourseOut"], graph: Schemas["WorkflowGraph"], frame: Schemas["RoomFrame"]): unknown[] {
  // @ts-expect-error a member that is not there
  const title = course.titel;
  // @ts-expect-error a value that is none of its choices
  void api.POST("/api/v1/rooms/", { body: { course_id: "1", name: "Group A", ai_mode: "wrong" } });
  // @ts-expect-error null for what must be a text
  void api.POST("/api/v1/rooms/", { body: { course_id: "1", name: null } });
  // @ts-expect-error a member that the body does not have
  const body: Schemas["CreateCourseInBody"] = { title: "Physics", titel: "" };
  // @ts-expect-error an address that is not there
  void api.GET("/api/v1/course/");
  // @ts-expect-error a condition that there is not
  const wrong: Schemas["TriggerConfig"] = { trigger: { enabled_conditions: ["messages"] } };
  // @ts-expect-error a type of node that there is not
  const node = graph.nodes["a"]?.type === "loop";
  // @ts-expect-error a frame of another type has no text
  const text = frame.type === "presence" && frame.text;
  return [title, body, wrong, node, text];
}

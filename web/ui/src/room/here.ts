import { computed, ref, shallowRef } from "vue";
import { GET, ok, type Schemas } from "@/api/client";
import type { Frame } from "@/live/connection";
import type { Can } from "./room";

export type Person = Schemas["PersonThereOut"];
export type Agent = Schemas["AgentOut"];
export type Approval = Pick<Schemas["ApprovalOut"], "step_id" | "agent_name" | "summary" | "name" | "kind"> & { due_at?: string; arguments?: Schemas["ApprovalOut"]["arguments"] };

const typingShown = 6_000;

/** Who is in a room: people and agents, who types, what waits for staff, what is pinned. */
export function makeHere(id: string, me: string) {
  const path = { room_id: id };
  const people = shallowRef<Person[]>([]);
  const agents = shallowRef<Agent[]>([]);
  const pins = shallowRef<Schemas["PinOut"][]>([]);
  const members = shallowRef<Schemas["Member"][]>([]);
  const typists = ref(new Map<string, string>());
  const approvals = shallowRef<Approval[]>([]);
  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  const byId = computed(() => new Map(people.value.map((p) => [p.user_id, p])));
  const hereNow = computed(() => new Set(members.value.map((m) => m.user_id)));
  const typing = computed(() => [...typists.value.values()]);

  async function load(can: Can | undefined): Promise<void> {
    await Promise.all([
      loadPeople(),
      can?.approve ? ok(GET("/api/v1/rooms/{room_id}/approvals", { params: { path } })).then((list) => (approvals.value = list.filter((a) => a.state === "pending"))) : undefined,
    ]).catch(() => {
      // The room works without; it is read again with the next connection.
    });
  }

  async function loadPeople(): Promise<void> {
    people.value = await ok(GET("/api/v1/rooms/{room_id}/people", { params: { path, query: { limit: 500 } } }));
  }

  async function loadPins(): Promise<void> {
    pins.value = await ok(GET("/api/v1/rooms/{room_id}/pins", { params: { path } })).catch(() => pins.value);
  }

  function stopTyping(user: string): void {
    clearTimeout(timers.get(user));
    timers.delete(user);
    typists.value.delete(user);
  }

  function startTyping(user: string, name: string): void {
    if (user === me) return;
    clearTimeout(timers.get(user));
    typists.value.set(user, name);
    timers.set(user, setTimeout(() => stopTyping(user), typingShown));
  }

  function take(frame: Frame, can: Can | undefined): void {
    switch (frame.type) {
      case "joined":
        members.value = frame.members;
        for (const user of [...typists.value.keys()]) stopTyping(user);
        for (const m of frame.typing) startTyping(m.user_id, m.name);
        strangers();
        break;
      case "presence":
        members.value = frame.members;
        for (const user of typists.value.keys()) if (!hereNow.value.has(user)) stopTyping(user);
        strangers();
        break;
      case "typing":
        startTyping(frame.user_id, frame.name);
        break;
      case "message":
        if (frame.metadata.sender_id) stopTyping(frame.metadata.sender_id);
        break;
      case "pin":
        void loadPins();
        break;
      case "approval":
        if (!can?.approve) break;
        approvals.value = approvals.value.filter((a) => a.step_id !== frame.step_id);
        if (frame.state === "pending") approvals.value = [...approvals.value, { ...frame, summary: frame.summary ?? frame.name }];
        break;
    }
  }

  // Somebody has come into the course since the list was read.
  function strangers(): void {
    if (people.value.length > 0 && members.value.some((m) => !byId.value.has(m.user_id) && m.user_id !== me)) void loadPeople().catch(() => {});
  }

  function close(): void {
    for (const timer of timers.values()) clearTimeout(timer);
  }

  return { people, agents, pins, members, byId, hereNow, typing, approvals, load, loadPins, take, close };
}
export type Here = ReturnType<typeof makeHere>;

import { computed, shallowRef, type ComputedRef } from "vue";
import { useI18n } from "vue-i18n";
import { useRoute } from "vue-router";
import { useLeave } from "@/account/leave";
import { useSession } from "@/account/session";
import { pageOf } from "@/agents/agent";
import { readMine } from "@/agents/all";
import type { MyAgent } from "@/agents/homes";
import { GET, ok, PUT, type Schemas } from "@/api/client";
import { useCourses } from "@/courses/mine";
import { useRooms } from "@/live/rooms";
import { nameOf } from "@/people/names";
import { draftKey, keep, kept } from "@/room/kept";
import type { Theme } from "@/theme";
import { commandsHere } from "./here";
import type { Item } from "./match";
import { openShortcuts } from "./open";

export interface Doable extends Item {
  to?: string;
  do?: () => unknown;
}

function read(user: string): string[] {
  try {
    const found: unknown = JSON.parse(kept(recentKey(user)) || "[]");
    return Array.isArray(found) ? found.filter((id): id is string => typeof id === "string") : [];
  } catch {
    return [];
  }
}

// What a person opened from the palette lately, the last first.
const recents = shallowRef<{ user: string; ids: string[] }>({ user: "", ids: [] });
const recentKey = (user: string): string => draftKey(user, "recent");

// The people of each course, read once while the page is open and a palette asks.
const people = shallowRef(new Map<string, { person: Schemas["MemberOut"]; course: string; title: string }>());
const agents = shallowRef<MyAgent[]>([]);
let asked = { by: "", at: 0 };

export function useItems(): { items: ComputedRef<Doable[]>; recent: ComputedRef<string[]>; look: (query: string) => void; remember: (id: string) => void } {
  const { t } = useI18n();
  const session = useSession();
  const rooms = useRooms();
  const courses = useCourses();
  const route = useRoute();
  const leave = useLeave();
  const me = computed(() => session.me?.id ?? "");

  async function theme(to: Theme): Promise<void> {
    await session.prefer(await ok(PUT("/api/v1/users/me/preferences", { body: { theme: to } })));
  }
  const commands = computed<Doable[]>(() => {
    const all: [string, string | (() => unknown)][] = [
      ["home", "/home"],
      ["courses", "/courses"],
      ...(session.staff ? [["newCourse", "/courses/new"] as [string, string]] : []),
      ...(session.staff ? [["agents", "/agents"] as [string, string]] : []),
      ...(session.operator ? [["installation", "/installation"] as [string, string], ["backups", "/installation/backups"] as [string, string], ["encryption", "/installation/keys"] as [string, string]] : []),
      ["search", "/search"],
      ["join", "/join"],
      ["profile", "/account"],
      ["preferences", "/account/preferences"],
      ["keys", "/account/keys"],
      ["devices", "/account/security"],
      ["light", () => theme("light")],
      ["dark", () => theme("dark")],
      ["shortcuts", openShortcuts],
      ["signOut", leave],
    ];
    return all.map(([id, does]) => ({ id: `do:${id}`, kind: "command", text: t(`palette.commands.${id}`), ...(typeof does === "string" ? { to: does } : { do: does }) }));
  });
  const here = computed<Doable[]>(() =>
    commandsHere(route, { staff: session.staff, room: (id) => rooms.byId.get(id), course: (id) => courses.list.find((c) => c.id === id) }).map((c) => ({ id: `here:${c.id}`, kind: "command", text: t(`palette.here.${c.id}`), more: t("palette.ofPage"), to: c.to })),
  );
  const items = computed<Doable[]>(() => [
    ...here.value,
    ...rooms.list.map((r): Doable => ({ id: r.id, kind: "room", text: r.name, more: r.courseTitle, to: `/rooms/${r.id}` })),
    ...courses.list.map((c): Doable => ({ id: c.id, kind: "course", text: c.title, to: `/courses/${c.id}` })),
    ...agents.value.map((a): Doable => ({ id: `agent:${a.id}`, kind: "agent", text: a.name, more: a.rooms[0]?.room_name ?? a.project_name ?? t("palette.kinds.agent"), to: pageOf(a) })),
    ...commands.value,
    ...[...people.value].map(([id, p]): Doable => ({ id, kind: "person", text: nameOf(p.person), more: p.title, to: `/courses/${p.course}/people?q=${encodeURIComponent(nameOf(p.person))}` })),
  ]);

  /** Reads the agents and the people when a first letter is typed; at most of the first courses, and at most once in five minutes. */
  function look(query: string): void {
    if (!courses.loaded) void courses.load().catch(() => undefined);
    if (asked.by !== me.value) {
      // Another person of this browser is nobody's business.
      people.value = new Map();
      agents.value = [];
      asked = { by: me.value, at: 0 };
    }
    if (query.trim() === "" || Date.now() - asked.at < 300_000) return;
    asked.at = Date.now();
    if (session.staff) void readMine().then((found) => (agents.value = found.filter((a) => !a.is_template))).catch(() => undefined);
    void (async () => {
      for (const c of courses.list.slice(0, 20)) {
        const found = await ok(GET("/api/v1/courses/{course_id}/members", { params: { path: { course_id: c.id } } })).catch(() => []);
        const next = new Map(people.value);
        for (const person of found) next.set(`${c.id}/${person.user_id}`, { person, course: c.id, title: c.title });
        people.value = next;
      }
    })();
  }
  const recent = computed(() => (recents.value.user === me.value ? recents.value.ids : read(me.value)));
  function remember(id: string): void {
    const ids = [id, ...recent.value.filter((r) => r !== id)].slice(0, 8);
    recents.value = { user: me.value, ids };
    keep(recentKey(me.value), JSON.stringify(ids));
  }
  return { items, recent, look, remember };
}

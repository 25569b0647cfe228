import { computed, ref, shallowRef, type ComputedRef } from "vue";
import { useI18n } from "vue-i18n";
import { useSession } from "@/account/session";
import { GET, ok, PUT, type Schemas } from "@/api/client";
import { useCourses } from "@/courses/mine";
import { useRooms } from "@/live/rooms";
import { nameOf } from "@/people/names";
import { setTheme, type Theme } from "@/theme";
import type { Item } from "./match";
import { openShortcuts } from "./open";

export interface Doable extends Item {
  to?: string;
  do?: () => unknown;
}

const kept = "coagent.recent";
function read(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(kept) ?? "[]");
    return Array.isArray(found) ? found.filter((id): id is string => typeof id === "string") : [];
  } catch {
    return [];
  }
}

/** What was opened from the palette lately, the last first. */
export const recent = ref(read());
export function remember(id: string): void {
  recent.value = [id, ...recent.value.filter((r) => r !== id)].slice(0, 8);
  try {
    localStorage.setItem(kept, JSON.stringify(recent.value));
  } catch {
    // Where nothing can be kept, it lasts as long as the page.
  }
}

// The people of each course, read once while the page is open and a palette asks.
const people = shallowRef(new Map<string, { person: Schemas["MemberOut"]; course: string; title: string }>());
let asked = 0;

export function useItems(): { items: ComputedRef<Doable[]>; look: (query: string) => void } {
  const { t } = useI18n();
  const session = useSession();
  const rooms = useRooms();
  const courses = useCourses();

  async function theme(to: Theme): Promise<void> {
    const preferences = await ok(PUT("/api/v1/users/me/preferences", { body: { theme: to } }));
    if (session.me) session.me.preferences = preferences;
    setTheme(preferences.theme);
  }
  const commands = computed<Doable[]>(() => {
    const all: [string, string | (() => unknown)][] = [
      ["home", "/"],
      ["courses", "/courses"],
      ...(session.staff ? [["newCourse", "/courses/new"] as [string, string]] : []),
      ["join", "/join"],
      ["profile", "/account"],
      ["preferences", "/account/preferences"],
      ["keys", "/account/keys"],
      ["devices", "/account/security"],
      ["light", () => theme("light")],
      ["dark", () => theme("dark")],
      ["shortcuts", openShortcuts],
      ["signOut", () => session.signOut()],
    ];
    return all.map(([id, does]) => ({ id: `do:${id}`, kind: "command", text: t(`palette.commands.${id}`), ...(typeof does === "string" ? { to: does } : { do: does }) }));
  });
  const items = computed<Doable[]>(() => [
    ...rooms.list.map((r): Doable => ({ id: r.id, kind: "room", text: r.name, more: r.courseTitle, to: `/rooms/${r.id}` })),
    ...courses.list.map((c): Doable => ({ id: c.id, kind: "course", text: c.title, to: `/courses/${c.id}` })),
    ...commands.value,
    ...[...people.value].map(([id, p]): Doable => ({ id, kind: "person", text: nameOf(p.person), more: p.title, to: `/courses/${p.course}/people?q=${encodeURIComponent(nameOf(p.person))}` })),
  ]);

  /** Reads the people when a first letter is typed; at most of the first courses, and at most once in five minutes. */
  function look(query: string): void {
    if (!courses.loaded) void courses.load().catch(() => undefined);
    if (query.trim() === "" || Date.now() - asked < 300_000) return;
    asked = Date.now();
    void (async () => {
      for (const c of courses.list.slice(0, 20)) {
        const found = await ok(GET("/api/v1/courses/{course_id}/members", { params: { path: { course_id: c.id } } })).catch(() => []);
        const next = new Map(people.value);
        for (const person of found) next.set(`${c.id}/${person.user_id}`, { person, course: c.id, title: c.title });
        people.value = next;
      }
    })();
  }
  return { items, look };
}

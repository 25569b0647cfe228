import { defineStore } from "pinia";
import { computed, ref } from "vue";
import { useSession } from "@/account/session";
import { GET, ok, type Schemas } from "@/api/client";

export type MyRoom = Schemas["MyRoomOut"];
type News = Schemas["MeRooms"];

/** What the side list shows of a room: the room's name and all that changes by itself. */
export interface RoomLine {
  id: string;
  name: string;
  courseId: string;
  courseTitle: string;
  lastSeq: number;
  readSeq: number;
  unread: number;
  mentions: number;
  online: number;
  working: string[]; // the names of agents at work
  last: { sender: string; excerpt: string; at: string } | null;
  pinned: boolean;
  notify: MyRoom["notify"];
  leads: boolean; // the person may set its agents
}

const pageSize = 200;
const mostRooms = 1_000;

/** All rooms of the person, kept up to date by the person's socket. */
export const useRooms = defineStore("rooms", () => {
  const byId = ref(new Map<string, RoomLine>());
  const loaded = ref(false);
  /** Why the rooms could not be read, until they are. */
  const failure = ref<unknown>();

  const list = computed(() => [...byId.value.values()].sort((a, b) => Number(b.pinned) - Number(a.pinned) || a.name.localeCompare(b.name, undefined, { numeric: true })));
  const courses = computed(() => {
    const found = new Map<string, { id: string; title: string; rooms: RoomLine[] }>();
    for (const room of list.value) {
      const course = found.get(room.courseId) ?? { id: room.courseId, title: room.courseTitle, rooms: [] };
      course.rooms.push(room);
      found.set(room.courseId, course);
    }
    return [...found.values()].sort((a, b) => a.title.localeCompare(b.title, undefined, { numeric: true }));
  });
  const session = useSession();
  // A room that is to be silent does not count in the title; with mentions alone they count.
  const level = (r: RoomLine): string => r.notify ?? session.me?.preferences?.notify ?? "all";
  const unread = computed(() => list.value.reduce((sum, r) => sum + (level(r) === "all" ? r.unread : 0), 0));
  const mentions = computed(() => list.value.reduce((sum, r) => sum + (level(r) === "none" ? 0 : r.mentions), 0));

  async function load(): Promise<void> {
    const rooms: MyRoom[] = [];
    for (let full = true; full && rooms.length < mostRooms; ) {
      const before = rooms.at(-1)?.room_id;
      const page = await ok(GET("/api/v1/users/me/rooms", { params: { query: { limit: pageSize, ...(before ? { before } : {}) } } }));
      rooms.push(...page);
      full = page.length === pageSize;
    }
    byId.value = new Map(rooms.map((r) => [r.room_id, lineOf(r)]));
    loaded.value = true;
    failure.value = undefined;
  }

  /** Takes a frame of the socket. It returns whether rooms came that are not known by name of course yet. */
  function take(news: News): boolean {
    let strange = false;
    const seen = new Set<string>();
    for (const r of news.rooms) {
      seen.add(r.room_id);
      const known = byId.value.get(r.room_id);
      strange ||= known === undefined;
      if (known === undefined) continue;
      byId.value.set(r.room_id, {
        ...known,
        name: r.name,
        lastSeq: r.last_seq,
        readSeq: r.read_seq,
        unread: r.unread,
        mentions: r.mentions,
        online: r.online,
        working: r.agents_at_work.map((a) => a.agent_name),
        last: r.last_message ? { sender: r.last_message.sender, excerpt: r.last_message.excerpt, at: r.last_message.created_at } : known.last,
      });
    }
    if (news.all && !news.more) for (const id of byId.value.keys()) if (!seen.has(id)) byId.value.delete(id);
    return strange;
  }

  /** Takes a level that the person has set for a room; null is that of the preferences. */
  function setNotify(id: string, notify: RoomLine["notify"]): void {
    const known = byId.value.get(id);
    if (known) byId.value.set(id, { ...known, notify });
  }

  function forget(id: string): void {
    byId.value.delete(id);
  }

  function clear(): void {
    byId.value = new Map();
    loaded.value = false;
  }

  return { byId, list, courses, loaded, failure, unread, mentions, load, take, setNotify, forget, clear };
});

function lineOf(r: MyRoom): RoomLine {
  return {
    id: r.room_id,
    name: r.name,
    courseId: r.course_id,
    courseTitle: r.course_title,
    lastSeq: r.last_seq,
    readSeq: r.read_seq,
    unread: r.unread,
    mentions: r.mentions,
    online: r.online_count,
    working: r.agents_at_work.map((a) => a.agent_name),
    last: r.last_message ? { sender: r.last_message.sender, excerpt: r.last_message.excerpt, at: r.last_message.created_at } : null,
    pinned: r.pinned_at !== null,
    notify: r.notify,
    leads: r.can.manage_agents,
  };
}

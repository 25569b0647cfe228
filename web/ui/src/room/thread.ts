import { computed, onScopeDispose, ref, shallowReactive, shallowRef } from "vue";
import { useI18n } from "vue-i18n";
import { GET, ok } from "@/api/client";
import { Problem } from "@/api/problem";
import { useRooms } from "@/live/rooms";
import { useFailure } from "@/parts/failure";
import { toast } from "@/parts/toasts";
import { isParked, type Line, type RoomFrame } from "./line";
import type { Goal, Place } from "./history";
import type { Waiting } from "./outbox";
import type { Room } from "./room";
import type { Row } from "./rows";
import { makeAsk } from "./ask";
import { makeEditing } from "./editing";
import { begun, isOfThread } from "./replies";
import { Timeline } from "./timeline";

const pageSize = 100;
const repliesBefore = 30; // of the place at which it opens

/** A message and its replies, beside the room. To what shows messages it is a room of its own. */
export function openThread(room: Room, seq: number): Room & { head: { readonly value: Line | undefined } } {
  const words = useFailure();
  const { t } = useI18n();
  const version = ref(0);
  const head = shallowRef<Line>(); // what all the others reply to
  const loaded = ref(false);
  const gone = ref(false);
  const failure = shallowRef<unknown>();
  const more = ref(false);
  const fresh = ref(0);
  const goal = shallowRef<Goal>();
  const returned = shallowRef<Waiting>();
  const replyTo = ref<Line["replyTo"]>();
  const unreadAfter = ref<number>();
  const sight = shallowRef<() => Place>();
  const rooms = useRooms();
  const timeline = new Timeline(room.me.id, { wrap: (line) => shallowReactive(line), changed: () => version.value++ });
  const editor = makeEditing(() => (room.can.value?.post ? timeline.lastOwn() : undefined));
  let early: RoomFrame[] | undefined = []; // what came before the replies were there
  let atEnd = true;
  let over = false;

  const rows = computed<Row[]>(() => {
    void version.value;
    const all = timeline.rows(unreadAfter.value);
    const at = all.findIndex((r) => r.type === "line" && r.line === head.value);
    return at < 0 ? all : [...all.slice(0, at + 1), { key: "replies", type: "replies", n: head.value!.replies.count }, ...all.slice(at + 1)];
  });
  const answering = computed(() => (version.value, timeline.live.filter((l) => !isParked(l.turn!.doing))));

  const page = (id: string, query: { after?: number; before?: number }, limit = pageSize) =>
    ok(GET("/api/v1/rooms/{room_id}/messages/{message_id}/replies", { params: { path: { room_id: room.id, message_id: id }, query: { ...query, limit } } }));

  /** The replies about a place: the end, where there is none. */
  async function part(id: string, seq: number | undefined) {
    if (seq === undefined) {
      const last = await page(id, { before: Number.MAX_SAFE_INTEGER });
      return { replies: last, more_before: last.length === pageSize, more_after: false };
    }
    const [before, after] = await Promise.all([page(id, { before: seq + 1 }, repliesBefore), page(id, { after: seq })]);
    return { replies: [...before, ...after], more_before: before.length === repliesBefore, more_after: after.length === pageSize };
  }

  async function load(place?: Place): Promise<void> {
    failure.value = undefined;
    early ??= [];
    try {
      const around = await ok(GET("/api/v1/rooms/{room_id}/messages", { params: { path: { room_id: room.id }, query: { around: String(seq), limit: 1 } } }));
      let root = around.messages.find((m) => m.seq === seq);
      if (root?.reply_to) root = (await ok(GET("/api/v1/rooms/{room_id}/messages", { params: { path: { room_id: room.id }, query: { around: root.reply_to.id, limit: 1 } } }))).messages[0];
      const asked = room.asked.value !== undefined && room.asked.value !== root?.seq && room.asked.value !== seq ? room.asked.value : undefined;
      const read = rooms.byId.get(room.id)?.readSeq;
      const unread = read !== undefined && root !== undefined && (root.replies?.last_seq ?? 0) > read && read >= root.seq ? read : undefined;
      let found = root && (await part(root.id, place?.seq ?? asked ?? unread));
      // The address may name a message outside of the thread.
      if (root && found && !place && asked !== undefined && !found.replies.some((m) => m.seq === asked)) found = await part(root.id, unread);
      if (over) return;
      gone.value = root === undefined;
      if (!root || !found) return;
      if (!place) unreadAfter.value = unread;
      timeline.replace({ messages: [root, ...found.replies], more_before: found.more_before, more_after: found.more_after });
      head.value = timeline.byId(root.id);
      for (const frame of early ?? []) take(frame);
      early = undefined;
      for (const line of room.timeline.live) if (line.turn!.rootId === root.id) take(begun(line));
      for (const w of room.outbox.lines) waits(w);
      if (place) goal.value = { to: "place", ...place };
      else if (asked !== undefined && timeline.stored().some((l) => l.seq === asked)) goal.value = { to: "line", seq: asked, flash: true };
      else goal.value = { to: unread === undefined ? "end" : "unread" };
      loaded.value = true;
    } catch (cause) {
      if (over) return;
      if (cause instanceof Problem && cause.status === 404) gone.value = true;
      else failure.value = cause;
    }
  }

  async function fetch(way: "earlier" | "later"): Promise<boolean> {
    const replies = timeline.stored().filter((l) => l !== head.value);
    const edge = way === "earlier" ? replies[0] : replies.at(-1);
    if (more.value || !edge || !head.value || !(way === "earlier" ? timeline.moreBefore : timeline.moreAfter)) return false;
    more.value = true;
    try {
      const messages = await page(head.value.id!, way === "earlier" ? { before: edge.seq } : { after: edge.seq });
      if (over) return false;
      const full = messages.length === pageSize;
      if (way === "earlier") timeline.prepend({ messages, more_before: full });
      else timeline.append({ messages, more_after: full });
      return true;
    } catch (cause) {
      if (!over) toast(words(cause), { kind: "failed" });
      return false;
    } finally {
      more.value = false;
    }
  }

  async function toEnd(): Promise<void> {
    while (timeline.moreAfter && (await fetch("later")));
    fresh.value = 0;
    goal.value = { to: "end" };
  }

  function take(frame: RoomFrame): Line | undefined {
    if (early && !head.value) {
      early.push(frame);
      return undefined;
    }
    if (!head.value?.id || !isOfThread(frame, head.value.id, timeline)) return undefined;
    const line = timeline.take(frame);
    if (line && !line.own && !atEnd) fresh.value++;
    return line;
  }

  /** Shows one's own reply that is on its way; others are none of the thread's. */
  function waits(w: Waiting): void {
    if (head.value?.id && w.reply?.id === head.value.id) timeline.waiting(w, { name: room.me.full_name || room.me.username || "" });
  }

  function send(text: string, more: Pick<Waiting, "files" | "mentions">): void {
    const to = head.value!;
    room.outbox.add(text, { ...more, reply: { id: to.id!, seq: to.seq, sender: to.name, excerpt: to.text.replace(/\s+/g, " ").slice(0, 140) } });
    void toEnd();
  }

  /** Where somebody reads, if that is not the end. */
  function above(): Place | undefined {
    const place = sight.value?.();
    return place && !place.atEnd && place.seq > 0 ? place : undefined;
  }

  function seen(end: boolean): void {
    atEnd = end;
    if (end) fresh.value = 0;
  }

  async function jump(to: number): Promise<void> {
    if (timeline.stored().some((l) => l.seq === to)) goal.value = { to: "line", seq: to, flash: true };
    else await room.jump(to);
  }

  const ask = makeAsk({ timeline, here: room.here, can: room.can, archived: room.archived, info: room.info, send, t });
  const leave = room.beside({ timeline, take, waits, reload: () => void load(above()) });
  onScopeDispose(() => {
    over = true;
    leave();
  });

  return {
    ...room, ...editor, ...ask, head, loaded, gone, failure, version, rows, answering, timeline, more, fresh, goal, returned, replyTo, unreadAfter, unreadCount: ref(0), sight,
    isThread: true, draft: `${room.id}.${seq}`, load: () => load(), later: async () => void (await fetch("later")), earlier: async () => void (await fetch("earlier")), toUnread: async () => {}, toEnd, send, seen, jump,
    takeBack: (id, toEdit) => room.takeBack(id, toEdit, returned),
    linkTo: (to) => `${room.linkTo(to)}?thread=${seq}`,
  };
}

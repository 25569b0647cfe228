import { computed, onScopeDispose, ref, shallowReactive, shallowRef } from "vue";
import { GET, ok } from "@/api/client";
import { Problem } from "@/api/problem";
import { useFailure } from "@/parts/failure";
import { toast } from "@/parts/toasts";
import type { Line, RoomFrame } from "./line";
import type { Goal } from "./history";
import type { Waiting } from "./outbox";
import type { Room } from "./room";
import type { Row } from "./rows";
import { begun, isOfThread } from "./replies";
import { Timeline } from "./timeline";

const pageSize = 100;

/** A message and its replies, beside the room. To what shows messages it is a room of its own. */
export function openThread(room: Room, seq: number): Room & { head: { readonly value: Line | undefined } } {
  const words = useFailure();
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
  const editing = ref<string>();
  const none = ref<number>();
  const timeline = new Timeline(room.me.id, { wrap: (line) => shallowReactive(line), changed: () => version.value++ });
  let early: RoomFrame[] | undefined = []; // what came before the replies were there
  let atEnd = true;
  let over = false;

  const rows = computed<Row[]>(() => {
    void version.value;
    const all = timeline.rows();
    const at = all.findIndex((r) => r.type === "line" && r.line === head.value);
    return at < 0 ? all : [...all.slice(0, at + 1), { key: "replies", type: "replies", n: head.value!.replies.count }, ...all.slice(at + 1)];
  });
  const answering = computed(() => (version.value, timeline.live.filter((l) => !["parked", "paused", "approval"].includes(l.turn!.doing))));

  const page = (id: string, after: number) => ok(GET("/api/v1/rooms/{room_id}/messages/{message_id}/replies", { params: { path: { room_id: room.id, message_id: id }, query: { after, limit: pageSize } } }));

  async function load(): Promise<void> {
    failure.value = undefined;
    early ??= [];
    try {
      const around = await ok(GET("/api/v1/rooms/{room_id}/messages", { params: { path: { room_id: room.id }, query: { around: String(seq), limit: 1 } } }));
      let root = around.messages.find((m) => m.seq === seq);
      if (root?.reply_to) root = (await ok(GET("/api/v1/rooms/{room_id}/messages", { params: { path: { room_id: room.id }, query: { around: root.reply_to.id, limit: 1 } } }))).messages[0];
      const replies = root ? await page(root.id, 0) : [];
      if (over) return;
      gone.value = root === undefined;
      if (!root) return;
      timeline.replace({ messages: [root, ...replies], more_before: false, more_after: replies.length === pageSize });
      head.value = timeline.byId(root.id);
      for (const frame of early ?? []) take(frame);
      early = undefined;
      for (const line of room.timeline.live) if (line.turn!.rootId === root.id) take(begun(line));
      for (const w of room.outbox.lines) waits(w);
      goal.value = room.asked.value !== undefined && room.asked.value !== seq && timeline.stored().some((l) => l.seq === room.asked.value) ? { to: "line", seq: room.asked.value, flash: true } : { to: "end" };
      loaded.value = true;
    } catch (cause) {
      if (over) return;
      if (cause instanceof Problem && cause.status === 404) gone.value = true;
      else failure.value = cause;
    }
  }

  async function later(): Promise<boolean> {
    const last = timeline.stored().at(-1);
    if (more.value || !timeline.moreAfter || !last || !head.value) return false;
    more.value = true;
    try {
      const messages = await page(head.value.id!, last.seq);
      if (!over) timeline.append({ messages, more_after: messages.length === pageSize });
      return true;
    } catch (cause) {
      if (!over) toast(words(cause), { kind: "failed" });
      return false;
    } finally {
      more.value = false;
    }
  }

  async function toEnd(): Promise<void> {
    while (timeline.moreAfter && (await later()));
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

  function seen(end: boolean): void {
    atEnd = end;
    if (end) fresh.value = 0;
  }

  async function jump(to: number): Promise<void> {
    if (timeline.stored().some((l) => l.seq === to)) goal.value = { to: "line", seq: to, flash: true };
    else await room.jump(to);
  }

  function editLast(): void {
    const last = timeline.stored().findLast((l) => l.own && l.state === "shown");
    if (last && room.can.value?.post) editing.value = last.id;
  }

  const leave = room.beside({ timeline, take, waits, reload: () => void load() });
  onScopeDispose(() => {
    over = true;
    leave();
  });

  return {
    ...room, head, loaded, gone, failure, version, rows, answering, timeline, more, fresh, goal, returned, replyTo, editing, unreadAfter: none, unreadCount: ref(0),
    isThread: true, draft: `${room.id}.${seq}`, load, later: async () => void (await later()), earlier: async () => {}, toUnread: async () => {}, toEnd, send, seen, jump, editLast,
    takeBack: (id, toEdit) => room.takeBack(id, toEdit, returned),
    linkTo: (to) => `${room.linkTo(to)}?thread=${seq}`,
  };
}

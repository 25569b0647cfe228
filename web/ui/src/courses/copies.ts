import { defineStore } from "pinia";
import { computed, ref } from "vue";
import { useSession } from "@/account/session";
import { DELETE, GET, ok, POST, type Schemas } from "@/api/client";
import { Problem } from "@/api/problem";
import { i18n } from "@/i18n";
import { useLive } from "@/live/live";
import { useRooms } from "@/live/rooms";
import { toast } from "@/parts/toasts";
import { draftKey, keep, kept } from "@/room/kept";
import { useCourses } from "./mine";

type Copy = Schemas["CourseCopyOut"];
interface Going {
  course: string;
  title: string; // of the copy
  copy: Copy;
}

// The socket tells of each step; this is for when it is down.
const askedEvery = 4_000;

export const isGoing = (copy: Copy): boolean => copy.state === "queued" || copy.state === "running";

/** The copy of a course that the person has begun. It goes on when its dialog is closed, and the page is loaded anew. */
export const useCopies = defineStore("copies", () => {
  const session = useSession();
  const live = useLive();
  const now = ref<Going>();
  const going = computed(() => (now.value && isGoing(now.value.copy) ? now.value : undefined));
  /** Its dialog is open and says itself how it ended. */
  const watched = ref(false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const key = (): string => draftKey(session.me?.id ?? "", "copy");
  const at = (g: Going): { params: { path: { course_id: string; copy_id: string } } } => ({ params: { path: { course_id: g.course, copy_id: g.copy.id } } });

  live.hearAll((frame) => {
    if (frame.type !== "course_copy" || frame.copy_id !== now.value?.copy.id) return;
    if (frame.state === "queued" || frame.state === "running") now.value = { ...now.value, copy: { ...now.value.copy, state: frame.state, done: frame.done, total: frame.total } };
    else void look(); // the answer has the reason, and the new course
  });

  function take(copy: Copy): void {
    if (!now.value) return;
    const was = isGoing(now.value.copy);
    now.value = { ...now.value, copy };
    clearTimeout(timer);
    if (isGoing(copy)) {
      timer = setTimeout(look, askedEvery);
      return;
    }
    keep(key(), "");
    if (was) ended(now.value);
  }

  async function look(): Promise<void> {
    const mine = now.value;
    if (!mine) return;
    clearTimeout(timer);
    try {
      const copy = await ok(GET("/api/v1/courses/{course_id}/copies/{copy_id}", at(mine)));
      if (now.value?.copy.id === copy.id) take(copy);
    } catch (cause) {
      if (cause instanceof Problem && (cause.status === 404 || cause.status === 403)) drop();
      else timer = setTimeout(look, askedEvery);
    }
  }

  function ended(g: Going): void {
    if (g.copy.state === "done") {
      void useCourses().load().catch(() => undefined);
      void useRooms().load().catch(() => undefined);
    }
    if (watched.value) return;
    const { t } = i18n.global;
    if (g.copy.state === "done") {
      const to = g.copy.new_course_id ? { link: { to: `/courses/${g.copy.new_course_id}`, text: t("courses.copy.show") } } : {};
      toast(t("courses.copy.doneOf", { title: g.title }), to);
    } else if (g.copy.state === "failed") toast([t("courses.copy.failedOf", { title: g.title }), g.copy.reason].filter(Boolean).join(" "), { kind: "failed" });
  }

  function drop(): void {
    clearTimeout(timer);
    now.value = undefined;
    keep(key(), "");
  }

  async function begin(course: string, body: Schemas["CopyCourseInBody"]): Promise<void> {
    const copy = await ok(POST("/api/v1/courses/{course_id}/copies", { params: { path: { course_id: course } }, body }));
    now.value = { course, title: body.title, copy };
    keep(key(), JSON.stringify({ course, title: body.title, id: copy.id }));
    take(copy);
  }

  async function cancel(): Promise<void> {
    if (going.value) take(await ok(DELETE("/api/v1/courses/{course_id}/copies/{copy_id}", at(going.value))));
  }

  /** Takes up what was begun before the page was loaded. */
  function resume(): void {
    if (now.value || !session.me) return;
    try {
      const found = JSON.parse(kept(key()) || "null") as { course: string; title: string; id: string } | null;
      if (!found) return;
      now.value = { course: found.course, title: found.title, copy: { id: found.id, state: "running", done: 0, total: 0, agents_left: 0 } };
      void look();
    } catch {
      keep(key(), "");
    }
  }

  return { now, going, watched, begin, cancel, resume, drop };
});

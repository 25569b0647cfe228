import { inject, provide, type ComputedRef, type InjectionKey } from "vue";
import type { Schemas } from "@/api/client";

export type Course = Schemas["CourseOut"];

/** The course whose pages are open. */
export interface CourseHere {
  overview: ComputedRef<Schemas["CourseOverviewOut"]>;
  course: ComputedRef<Course>;
  can: ComputedRef<Schemas["CourseCanOut"]>;
  staff: ComputedRef<boolean>;
  archived: ComputedRef<boolean>;
  /** Reads it again after a change, without taking the page away. */
  again: () => Promise<void>;
}

const key: InjectionKey<CourseHere> = Symbol("course");

export const provideCourse = (here: CourseHere): void => provide(key, here);
export function useCourse(): CourseHere {
  const here = inject(key);
  if (!here) throw new Error("this is no page of a course");
  return here;
}

export const mayNothing: Schemas["CourseCanOut"] = {
  announce: false,
  archive: false,
  create_rooms: false,
  delete: false,
  edit: false,
  enrol: false,
  enrol_staff: false,
  report: false,
  transfer: false,
};

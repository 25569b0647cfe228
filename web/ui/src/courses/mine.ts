import { defineStore } from "pinia";
import { ref } from "vue";
import { GET, ok } from "@/api/client";
import type { Course } from "./course";

/** The courses of the person, also those without a room. */
export const useCourses = defineStore("courses", () => {
  const list = ref<Course[]>([]);
  const loaded = ref(false);
  async function load(): Promise<void> {
    list.value = await ok(GET("/api/v1/courses/", { params: { query: { limit: 100 } } }));
    loaded.value = true;
  }
  return { list, loaded, load };
});

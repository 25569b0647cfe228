import { ref } from "vue";

/** Whether the side list is open where it is a drawer; a page with a bar of its own opens it too. */
export const sideOpen = ref(false);

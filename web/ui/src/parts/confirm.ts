import { shallowRef } from "vue";

/** A question before something that cannot be undone. */
export interface Question {
  title: string;
  text?: string;
  points?: string[]; // what goes
  yes: string;
  danger?: boolean;
  typed?: string; // must be typed, where much goes
  then: () => Promise<unknown>;
}

export const question = shallowRef<Question>();

export function ask(q: Question): void {
  question.value = q;
}

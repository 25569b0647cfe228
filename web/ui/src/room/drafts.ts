import { draftKey, keep, kept } from "./kept";

export const draftOf = (user: string, room: string): string => kept(draftKey(user, room));
export const keepDraft = (user: string, room: string, text: string): void => keep(draftKey(user, room), text);

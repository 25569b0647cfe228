/** A key in groups of four letters, as it is read out and typed. */
export const inFours = (key: string): string => key.match(/.{1,4}/g)?.join(" ") ?? "";

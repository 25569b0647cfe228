/** A name of the machine on which it is opened; who types it elsewhere gets nowhere. */
export const onlyHere = (hostname: string): boolean => /^(localhost|127\.|\[?::1\]?$)/.test(hostname);

/**
 * Where others reach the studio: where this page is open, since it evidently is, or else what
 * the server tells. Nowhere, while the server listens on its own machine alone.
 */
export const forOthers = (here: { hostname: string; origin: string }, told: string[]): string[] => (onlyHere(here.hostname) ? told : [here.origin]);

/** An address as people type it. */
export const typed = (address: string): string => address.replace(/^https?:\/\//, "");

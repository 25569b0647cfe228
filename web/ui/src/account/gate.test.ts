import { describe, expect, it } from "vitest";
import type { RouteLocationNormalized } from "vue-router";
import { gate } from "./gate";

const at = (fullPath: string, who?: "in" | "out" | "all"): RouteLocationNormalized => ({ fullPath, meta: who ? { who } : {} }) as RouteLocationNormalized;

describe("gate", () => {
  it("leads who is signed out to the sign-in, and from there back", () => {
    expect(gate(at("/rooms/1?x=2"), false)).toEqual({ name: "sign-in", query: { to: "/rooms/1?x=2" } });
    expect(gate(at("/home"), false)).toEqual({ name: "sign-in", query: {} });
  });
  it("leads who is signed in past the sign-in", () => expect(gate(at("/sign-in", "out"), true)).toEqual({ name: "home" }));
  it("leads who has to set up two-factor sign-in there, and from there back", () => {
    expect(gate(at("/rooms/1"), true, true)).toEqual({ name: "must-set-up", query: { to: "/rooms/1" } });
    expect(gate(at("/home"), true, true)).toEqual({ name: "must-set-up", query: {} });
    expect(gate({ ...at("/two-factor"), name: "must-set-up" }, true, true)).toBe(true);
    expect(gate({ ...at("/two-factor"), name: "must-set-up" }, true)).toEqual({ name: "security" });
    expect(gate(at("/join/ABC", "all"), true, true)).toBe(true);
  });
  it("lets everybody join", () => {
    expect(gate(at("/join/ABC", "all"), false)).toBe(true);
    expect(gate(at("/join/ABC", "all"), true)).toBe(true);
  });
});

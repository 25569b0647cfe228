import { expect, it } from "vitest";
import { anew, heard } from "./tabs";

it("agrees with other tabs on who is signed in", () => {
  expect(heard("a", "a")).toBe("nothing");
  expect(heard("", "")).toBe("nothing");
  expect(heard("a", "")).toBe("sign-out");
  expect(heard("", "a")).toBe("look");
  expect(heard("a", "b")).toBe("begin-anew");
});

it("begins anew where another person can be, and on this site alone", () => {
  const at = (path: string): string => anew(new URL(path, "http://here"));
  expect(at("/rooms/1/20?thread=3")).toBe("/rooms/1/20?thread=3");
  expect(at("/sign-in")).toBe("/home");
  expect(at("/sign-in?to=%2Frooms%2F1")).toBe("/rooms/1");
  for (const evil of ["//evil.example", "/\\evil.example", "https://evil.example"]) expect(at(`/sign-in?to=${encodeURIComponent(evil)}`)).toBe("/home");
  expect(at("/join/ABC")).toBe("/home");
  expect(at("/joiners")).toBe("/joiners");
  // Beside a client of the operator.
  expect(anew(new URL("/studio/sign-in?to=%2Frooms%2F1", "http://here"), "/studio")).toBe("/studio/rooms/1");
  expect(anew(new URL("/studio/courses", "http://here"), "/studio")).toBe("/studio/courses");
});

import { expect, test } from "vitest";
import { forOthers, onlyHere, typed } from "./addresses";

test("names of this machine lead nobody else here", () => {
  for (const name of ["localhost", "127.0.0.1", "127.8.0.1", "[::1]", "::1"]) expect(onlyHere(name), name).toBe(true);
  for (const name of ["192.168.1.5", "school.example", "[2001:db8::1]"]) expect(onlyHere(name), name).toBe(false);
});

test("where the page is open counts, else what the server tells", () => {
  const told = ["http://192.168.1.5:8000", "http://10.0.0.2:8000"];
  expect(forOthers({ hostname: "127.0.0.1", origin: "http://127.0.0.1:8000" }, told)).toEqual(told);
  expect(forOthers({ hostname: "school.example", origin: "https://school.example" }, told)).toEqual(["https://school.example"]);
  expect(forOthers({ hostname: "localhost", origin: "http://localhost:8000" }, [])).toEqual([]);
  expect(typed("https://school.example/join")).toBe("school.example/join");
});

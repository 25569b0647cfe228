import { expect, it } from "vitest";
import { inFours } from "./code";

it("a key is read in groups of four", () => expect([inFours("ABCDEFGHIJ"), inFours("ABCD"), inFours("")]).toEqual(["ABCD EFGH IJ", "ABCD", ""]));

import { Brain, CircleAlert, CirclePause, CircleStop, Hourglass, PencilLine, Plug, RotateCw, ScanEye, ShieldQuestion, Wallet, Wrench } from "lucide-vue-next";
import type { Component } from "vue";
import type { Doing } from "./line";

/** What an agent does, as a picture: the same in the talk and in the panel. */
export const icons: Record<Doing, Component> = {
  thinking: Brain, writing: PencilLine, tool: Wrench, drafting: PencilLine, review: ScanEye, revising: PencilLine, retrying: RotateCw,
  parked: Hourglass, paused: CirclePause, approval: ShieldQuestion, budget: Wallet, outside: Plug, stopped: CircleStop, failed: CircleAlert, nothing: CircleStop,
};

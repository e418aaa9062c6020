/**
 * A load generator in a process of its own: its work is not the store's, nor
 * that of whoever started it, and what it uses is measured apart.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LoadPlan } from "./plan.js";
import type { LoadProgress, LoadReport } from "./report.js";

const CHILD = fileURLToPath(new URL("./load-child.js", import.meta.url));

export type LoadOrder = { readonly kind: "run"; readonly plan: LoadPlan } | { readonly kind: "stop" };

export type LoadNews =
  | { readonly kind: "progress"; readonly progress: LoadProgress }
  | { readonly kind: "report"; readonly report: LoadReport };

export class LoadProcess {
  private readonly child: ChildProcess;
  private readonly exited: Promise<unknown>;
  private onNews: (news: LoadNews) => void = () => {};

  constructor() {
    this.child = fork(CHILD, { serialization: "advanced" });
    this.exited = once(this.child, "exit");
    this.child.on("message", (news) => this.onNews(news as LoadNews));
  }

  /** Runs a plan to its end; one at a time. */
  run(plan: LoadPlan, onProgress: (progress: LoadProgress) => void = () => {}): Promise<LoadReport> {
    return new Promise((resolve, reject) => {
      const onExit = () => reject(new Error("the load generator ended before its report"));
      this.child.once("exit", onExit);
      this.onNews = (news) => {
        if (news.kind === "progress") return onProgress(news.progress);
        this.child.off("exit", onExit);
        resolve(news.report);
      };
      this.order({ kind: "run", plan });
    });
  }

  /** The run under way makes no more requests, and reports. */
  stop(): void {
    this.order({ kind: "stop" });
  }

  async close(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }

  private order(order: LoadOrder): void {
    if (this.child.connected) this.child.send(order);
  }
}

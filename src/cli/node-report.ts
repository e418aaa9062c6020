/**
 * What a node's process tells the one that started it: it is ready, or why it
 * cannot start. Over the IPC channel of `murmur up`, or as a JSON line.
 */

/** Set by `murmur up` for its nodes. An IPC channel alone says little: process managers open one too. */
export const STARTED_BY_UP = "MURMUR_STARTED_BY_UP";

export interface ReadyReport {
  readonly type: "ready";
  readonly node: string;
  /** Its base URL. */
  readonly http: string;
  readonly peer: number;
  readonly pid: number;
}

interface FailedReport {
  readonly type: "failed";
  readonly message: string;
}

export type NodeReport = ReadyReport | FailedReport;

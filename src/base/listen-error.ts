/**
 * Why a port could not be opened, as one sentence with the remedy.
 */
import { authority } from "./authority.js";

export interface Listening {
  readonly node: string;
  /** Who is to be heard, as in "for peers". */
  readonly purpose: string;
  /** The port's name in the cluster file. */
  readonly field: "peer" | "http";
  readonly bind: string;
  readonly port: number;
}

export function listenError(listening: Listening, error: NodeJS.ErrnoException): Error {
  return new Error(sentenceOf(listening, error), { cause: error });
}

function sentenceOf({ node, purpose, field, bind, port }: Listening, error: NodeJS.ErrnoException): string {
  const start = `node ${node} cannot listen for ${purpose} on ${authority(bind, port)}`;
  switch (error.code) {
    case "EADDRINUSE":
      return `${start}: the port is in use. Stop the process that has it, or give the node another "${field}" port.`;
    case "EACCES":
      return `${start}: permission denied. Use a "${field}" port above 1023.`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${start}: this machine has no such address. Set "bind" to one of its own.`;
    default:
      return `${start}: ${error.message}`;
  }
}

/**
 * Ports for nodes that must know each other's before the first of them starts,
 * and that come back on their own after a kill.
 *
 * Taken from below the range that operating systems give to outgoing
 * connections: in there, the port of a dead node could become the near end of
 * somebody's connection, even of one to itself, before the node is back.
 */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";

const PORT_MIN = 16_384;
const PORT_MAX = 32_767;
/** Misses on a machine whose ports are nearly all taken. */
const MISSES_MAX = 1000;

/** Given to somebody in this process who may not listen yet, or found to be taken. */
const given = new Set<number>();

/** Ports of the loopback address that nobody has, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let misses = 0; ports.length < count; ) {
    const port = randomInt(PORT_MIN, PORT_MAX + 1);
    const isNew = !given.has(port);
    given.add(port);
    if (isNew && (await isFree(port))) ports.push(port);
    else if (++misses > MISSES_MAX) throw new Error(`no free port between ${PORT_MIN} and ${PORT_MAX} was found`);
  }
  return ports;
}

/** Ports that nobody will listen on any more. */
export function giveBack(ports: readonly number[]): void {
  for (const port of ports) given.delete(port);
}

async function isFree(port: number): Promise<boolean> {
  const server: Server = createServer();
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
  } catch {
    return false;
  }
  await once(server.close(), "close");
  return true;
}

/**
 * What node:http cannot make a request of: answered on the bare socket, as a
 * problem like any other, and closed.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { asBuffer } from "../base/bytes.js";
import type { Edge } from "./edge.js";
import { KEY_METHODS } from "./keys.js";
import { badRequest, methodNotAllowed, Problem } from "./problem.js";

type ParseError = Error & { readonly code?: string; readonly rawPacket?: Uint8Array };

/** The listener for the server's `clientError`. */
export function onParseError(edge: Edge, error: ParseError, socket: Socket): void {
  // What follows the bytes that were refused fails again and again.
  if (socket.writableEnded) return;
  const due = dueAnswer(socket);
  // An answer that is still due would be mistaken for this one. Only while its request's body arrives are they the same.
  const isFree = due === undefined || (edge.readingBody.has(due) && !due.headersSent);
  if (!socket.writable || error.code === "ECONNRESET" || !isFree) socket.destroy();
  else refuseRaw(edge, socket, problemOfParse(error, edge.limits.headerBytesMax));
}

/** The answer that is due next on a connection: node:http keeps it under this name. */
export function dueAnswer(socket: Socket): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
}

/** The listener for the server's `connect`: this is not a proxy. */
export function onConnectMethod(edge: Edge, socket: Socket): void {
  refuseRaw(edge, socket, methodNotAllowed("CONNECT", KEY_METHODS));
}

function problemOfParse(error: ParseError, headerBytesMax: number): Problem {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return isInRequestLine(error.rawPacket, headerBytesMax)
        ? new Problem("uri-too-long", "the request line is too long")
        : new Problem("headers-too-large", "the headers together are larger than headerBytesMax");
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return new Problem("too-large", "the chunk extensions are too long");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new Problem("request-timeout", "the request took too long to arrive");
    case "HPE_INVALID_URL":
      return badRequest("the request line has a character that must be percent-encoded");
    default:
      return badRequest("this is not an HTTP request");
  }
}

/** Whether what was read last begins with a request line that alone is too long. */
function isInRequestLine(packet: Uint8Array | undefined, headerBytesMax: number): boolean {
  if (packet === undefined) return false;
  const line = asBuffer(packet).toString("latin1", 0, headerBytesMax);
  return /^[A-Z]{1,32} \//.test(line) && !line.includes("\n");
}

function refuseRaw(edge: Edge, socket: Socket, problem: Problem): void {
  edge.meter.count("murmur_requests_refused_total", { code: problem.code });
  endRaw(edge, socket, problem);
}

/** Says a problem on the bare socket, whatever has come or is yet to come over it, and ends it. */
export function endRaw(edge: Edge, socket: Socket, problem: Problem): void {
  const body = problem.toJson();
  const lines = [
    `HTTP/1.1 ${problem.status} ${problem.code}`,
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "X-Content-Type-Options: nosniff",
    "Connection: close",
  ];
  for (let index = 0; index < problem.headers.length; index += 2) {
    lines.push(`${problem.headers[index]}: ${problem.headers[index + 1]}`);
  }
  // node:http no longer listens to a socket that it gave away, and whoever is at its other end may be gone.
  socket.on("error", () => {});
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
  // To close at once, with bytes unread, would reset the connection before the answer was seen.
  const timer = setTimeout(() => socket.destroy(), edge.limits.lingerMsMax);
  socket.once("end", () => socket.destroy()).once("close", () => clearTimeout(timer));
}

/**
 * Content types: kept as they came, and never trusted.
 *
 * A value is somebody's bytes. Stored by one user and opened by another in a
 * browser, it must not run there: types that can are offered as downloads,
 * beside `nosniff` and a sandbox that every value gets.
 */
import { essenceOf } from "../base/decoded-value.js";
import { badRequest, type Problem } from "./problem.js";

export const ENVELOPE_TYPE = "application/vnd.murmur+json";
const UNKNOWN_TYPE = "application/octet-stream";

/** The type to store for a request's header, or why it cannot be. */
export function contentTypeToStore(header: string | undefined, bytesMax: number): string | Problem {
  if (header === undefined || header === "") return UNKNOWN_TYPE;
  if (header.length > bytesMax) return badRequest(`Content-Type is at most ${bytesMax} bytes`);
  if (!isPrintable(header)) return badRequest("Content-Type has characters other than printable ASCII");
  return header;
}

/** The type to answer with. Stored bytes come from other nodes too, and one bad character would break the answer. */
export function contentTypeToSend(stored: string): string {
  return stored !== "" && isPrintable(stored) ? stored : UNKNOWN_TYPE;
}

/** Whether a browser might run what has this type. */
export function isActive(contentType: string): boolean {
  const essence = essenceOf(contentType);
  return ACTIVE_TYPES.has(essence) || essence.endsWith("+xml") || essence.startsWith("multipart/");
}

/** Whether an Accept header names the envelope, other than to decline it. */
export function acceptsEnvelope(accept: string | undefined): boolean {
  return qualityOf(accept, ENVELOPE_TYPE) > 0;
}

/** Whether an Accept header names `type`, and names `instead` no more eagerly. */
export function prefers(accept: string | undefined, type: string, instead: string): boolean {
  const quality = qualityOf(accept, type);
  return quality > 0 && quality >= qualityOf(accept, instead);
}

/** What weight an Accept header gives to a type that it names in full; 0 when it does not, or declines it. */
function qualityOf(accept: string | undefined, type: string): number {
  const text = accept?.toLowerCase();
  if (text === undefined || !text.includes(type)) return 0;
  const qualities = text
    .split(",")
    .map((range) => range.split(";").map((part) => part.trim()))
    .filter(([name]) => name === type)
    .map(([, ...parameters]) => Number(parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? 1));
  // A weight that is no number is none.
  return Math.max(0, ...qualities.map((quality) => (Number.isNaN(quality) ? 1 : quality)));
}

function isPrintable(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

const ACTIVE_TYPES: ReadonlySet<string> = new Set([
  "text/html",
  "text/xml",
  "application/xml",
  "text/xsl",
  "text/javascript",
  "application/javascript",
  "application/x-javascript",
  "text/ecmascript",
  "application/ecmascript",
  "application/pdf",
  "application/x-shockwave-flash",
]);

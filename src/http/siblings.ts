/**
 * Several values of one key as one answer: 300 Multiple Choices.
 *
 * As multipart/mixed (RFC 2046) each part has its own type and the very bytes;
 * as JSON, for whoever names it in Accept, they are in base64. The order is that
 * of the dots: the same at every node, so that "the second one" means something.
 */
import { asBuffer } from "../base/bytes.js";
import type { Content } from "../lattice/lattice.js";
import { JSON_TYPE } from "./json-body.js";
import { contentTypeToSend, prefers } from "./media.js";

export interface SiblingsBody {
  readonly contentType: string;
  readonly body: Uint8Array;
}

const MULTIPART_TYPE = "multipart/mixed";

/** `context` as in Murmur-Context; `tag` seeds the boundary, so that equal answers are equal bytes. */
export function siblingsBody(
  contents: readonly Content[],
  context: string,
  tag: string,
  accept: string | undefined,
): SiblingsBody {
  if (!prefers(accept, JSON_TYPE, MULTIPART_TYPE)) return multipart(contents, tag);
  const json = JSON.stringify({ siblings: contents.map(siblingOf), context });
  return { contentType: JSON_TYPE, body: Buffer.from(json) };
}

/** One value as JSON says it. */
export function siblingOf({ contentType, value }: Content): { readonly contentType: string; readonly value: string } {
  return { contentType: contentTypeToSend(contentType), value: asBuffer(value).toString("base64") };
}

function multipart(contents: readonly Content[], tag: string): SiblingsBody {
  const boundary = boundaryFor(contents, tag);
  const parts = contents.flatMap(({ contentType, value }) => [
    Buffer.from(`--${boundary}\r\nContent-Type: ${contentTypeToSend(contentType)}\r\n\r\n`),
    value,
    LINE_END,
  ]);
  const body = Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]);
  return { contentType: `${MULTIPART_TYPE}; boundary="${boundary}"`, body };
}

/** A text that is in no value: whoever wrote a value may have tried to guess it. */
function boundaryFor(contents: readonly Content[], tag: string): string {
  for (let attempt = 0; ; attempt++) {
    const boundary = `murmur-${attempt}-${tag.replace(/\W/g, "_")}`;
    if (!contents.some(({ value }) => asBuffer(value).includes(boundary))) return boundary;
  }
}

const LINE_END = Buffer.from("\r\n");

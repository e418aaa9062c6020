/**
 * What a bucket and a key may be called, said before a node is asked: as the client has it.
 */
import { checkBucket as checkBucketName, checkKey as checkKeyName } from "../client/arguments.js";
import { BadRequestError } from "../client/errors.js";
import { usage } from "./exit.js";

export function checkBucket(bucket: string): void {
  refuse(troubleWith(() => checkBucketName(bucket)));
}

/** What is wrong with a key, or undefined. */
export function keyTrouble(key: string): string | undefined {
  return troubleWith(() => checkKeyName(key));
}

export function checkKey(key: string): void {
  refuse(keyTrouble(key));
}

function troubleWith(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof BadRequestError) return error.detail;
    throw error;
  }
}

function refuse(trouble: string | undefined): void {
  if (trouble !== undefined) throw usage(trouble);
}

/** Any message at all, as an arbitrary of fast-check: for the codec's own tests, and to make garbage of. */
import fc from "fast-check";
import { type Context, joinContexts } from "../../src/lattice/context.js";
import { BODY_BYTES, type EditMap, ID_BYTES, type Op } from "../../src/lattice/op.js";
import { CAUSES, MERGE_STATUSES, type Message, REFUSALS } from "../../src/wire/messages.js";
import { UNMINTED_STATUSES } from "../../src/wire/mint-messages.js";

const plain = { noNullPrototype: true } as const;
const bytes = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((each) => Buffer.from(each));
const anyBytes = fc.uint8Array({ maxLength: 20 }).map((each) => Buffer.from(each));
const digest = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((each) => Buffer.from(each));
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const u53 = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const u8 = fc.nat({ max: 255 });
const list = <Item>(item: fc.Arbitrary<Item>) => fc.array(item, { maxLength: 5 });
const kind = <Kind extends string>(name: Kind) => fc.constant(name);

const rowAnswer = fc.oneof(
  fc.record({ status: kind("found"), votes: fc.boolean(), state: bytes }, plain),
  fc.record(
    {
      status: fc.constantFrom("absent" as const, "damaged" as const),
      votes: fc.boolean(),
      state: fc.constant(undefined),
    },
    plain,
  ),
);
const stamp = fc.record({ timeUs: u53, actor: u64 }, plain);
const mergeResult = fc.record(
  { status: fc.constantFrom(...MERGE_STATUSES), votes: fc.boolean(), stamp: fc.option(stamp, { nil: undefined }) },
  plain,
);
const sumDigest = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((each) => Buffer.from(each));
const blockSum = { digest: sumDigest, count: fc.nat() };
const block = fc.record({ from: u64, bits: u8, ...blockSum }, plain);
const listedRow = fc.record({ row: anyBytes, digest, young: fc.boolean() }, plain);
const blockAnswer = fc.oneof(
  fc.record({ kind: kind("same") }, plain),
  fc.record({ kind: kind("split"), parts: list(fc.record(blockSum, plain)) }, plain),
  fc.record({ kind: kind("damaged") }, plain),
  fc.record({ kind: kind("rows"), rows: list(listedRow) }, plain),
);
const entry = fc.record({ row: anyBytes, state: anyBytes, bornAtUs: u53 }, plain);
const written = fc.record({ row: anyBytes, state: anyBytes, bornAtUs: u53, seen: stamp }, plain);
const scannedKey = fc.record({ row: anyBytes, digest: fc.option(digest, { nil: undefined }) }, plain);
const scanPage = fc.record(
  {
    ...{ votes: fc.boolean(), keys: list(scannedKey) },
    ...{ next: fc.option(bytes, { nil: undefined }), rowsSeen: fc.nat() },
  },
  plain,
);
const span = fc.record({ from: anyBytes, to: anyBytes }, plain);
const rangePage = fc
  .record(
    {
      ...{ votes: fc.boolean(), state: fc.option(bytes, { nil: undefined }) },
      next: fc.option(bytes, { nil: undefined }),
    },
    plain,
  )
  .filter(({ votes, state, next }) => !votes || state !== undefined || next === undefined);
const toForget = fc.record({ row: anyBytes, upToUs: u53, digest }, plain);
const further = fc.record({ node: fc.string(), id: fc.nat() }, plain);

const text = fc.string({ unit: "grapheme", maxLength: 8 });
const add = fc.record({ kind: kind("add"), by: fc.maxSafeInteger().map((by) => by + 0) }, plain);
const editSet = fc.record({ kind: kind("edit-set"), add: list(text), remove: list(text) }, plain);
const fields = <Value>(value: fc.Arbitrary<Value>) => fc.array(fc.tuple(text, value), { maxLength: 3 });
const { editMap } = fc.letrec<{ editMap: EditMap }>((tie) => ({
  editMap: fc.record(
    {
      ...{ kind: kind("edit-map"), set: fields(anyBytes), counters: fields(add), sets: fields(editSet) },
      ...{ maps: fc.oneof({ maxDepth: 3 }, fc.constant([]), fields(tie("editMap"))), remove: list(text) },
    },
    plain,
  ),
}));
const put = fc.record(
  {
    ...{ kind: kind("put"), contentType: text, value: anyBytes },
    expiresAtMs: fc.option(u53, { nil: undefined }),
  },
  plain,
);
const anyOp: fc.Arbitrary<Op> = fc.oneof(put, fc.record({ kind: kind("delete") }, plain), add, editSet, editMap);
const anyContext: fc.Arbitrary<Context> = fc
  .array(stamp, { maxLength: 5 })
  .map((stamps) =>
    stamps
      .map((each, index) => (index % 2 === 0 ? { vector: [each], dots: [] } : { vector: [], dots: [each] }))
      .reduce<Context>(joinContexts, { vector: [], dots: [] }),
  );
const known = fc.record({ state: bytes, bornAtUs: u53 }, plain);
const exactly = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((each) => Buffer.from(each));
const changeId = fc.record({ id: exactly(ID_BYTES), body: exactly(BODY_BYTES) }, plain);
const wish = fc.record(
  {
    row: anyBytes,
    op: anyOp,
    context: anyContext,
    id: fc.option(changeId, { nil: undefined }),
    known: fc.option(known, { nil: undefined }),
    hasRead: fc.boolean(),
  },
  plain,
);
const opRefusal = fc.constantFrom(
  "type-mismatch",
  "too-many-siblings",
  "too-large",
  "out-of-range",
  "id-reused",
  "too-many-ids" as const,
);
const mintResult = fc.oneof(
  fc.record({ status: kind("minted"), votes: fc.boolean(), state: anyBytes, bornAtUs: u53, seen: anyContext }, plain),
  fc.record({ status: kind("refused"), kind: opRefusal, detail: text }, plain),
  fc.record({ status: fc.constantFrom(...UNMINTED_STATUSES) }, plain),
);
const mint = fc.record({ kind: kind("mint"), wishes: list(wish) }, plain);
const serial = fc.record({ life: u64, number: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) }, plain);

export const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ kind: kind("ping"), actor: u64, boundUs: u53, gossip: anyBytes }, plain),
  fc.record({ kind: kind("ping-request"), target: fc.string(), timeoutMs: fc.nat(), gossip: anyBytes }, plain),
  fc.record({ kind: kind("ping-request-reply"), reached: fc.boolean(), gossip: anyBytes }, plain),
  fc.record({ kind: kind("push-pull"), digest, table: anyBytes }, plain),
  fc.record({ kind: kind("push-pull-reply"), table: anyBytes }, plain),
  fc.record(
    {
      ...{ kind: kind("pong"), actor: u64, boundUs: u53, wallMs: fc.double({ noNaN: true, noDefaultInfinity: true }) },
      ...{ rememberedBoundUs: u53, votes: list(anyBytes), gossip: anyBytes },
    },
    plain,
  ),
  fc.record({ kind: kind("read"), rows: list(anyBytes) }, plain),
  fc.record({ kind: kind("read-reply"), answers: list(rowAnswer) }, plain),
  fc.record({ kind: kind("merge"), cause: fc.constantFrom(...CAUSES), entries: list(entry) }, plain),
  fc.record({ kind: kind("merge"), cause: kind("write"), entries: list(written) }, plain),
  fc.record({ kind: kind("keep-hint"), target: fc.string({ maxLength: 8 }), entries: list(entry) }, plain),
  fc.record({ kind: kind("relay"), entries: list(fc.oneof(entry, written)), further: list(further) }, plain),
  fc.record({ kind: kind("forwarded"), asker: fc.string(), entries: list(fc.oneof(entry, written)) }, plain),
  fc.record({ kind: kind("keep-hint-reply"), kept: list(fc.boolean()) }, plain),
  fc.record({ kind: kind("merge-reply"), results: list(mergeResult) }, plain),
  fc.record({ kind: kind("sync-shared"), digest: sumDigest }, plain),
  fc.record({ kind: kind("sync-shared-reply"), same: fc.boolean(), votes: list(anyBytes) }, plain),
  fc.record({ kind: kind("sync-blocks"), placement: u8, blocks: list(block) }, plain),
  fc.record({ kind: kind("sync-blocks-reply"), answers: list(blockAnswer) }, plain),
  fc.record({ kind: kind("scan"), bucket: fc.string(), keysMax: fc.nat(), positions: list(anyBytes) }, plain),
  fc.record({ kind: kind("scan-reply"), pages: list(scanPage) }, plain),
  fc.record({ kind: kind("range"), cellsMax: fc.nat(), spans: list(span) }, plain),
  fc.record({ kind: kind("range-reply"), pages: list(rangePage) }, plain),
  fc.record({ kind: kind("reap-vote"), rows: list(toForget) }, plain),
  fc.record({ kind: kind("reap"), actor: u64, rows: list(toForget) }, plain),
  fc.record({ kind: kind("reap-reply"), actor: u64, agreed: list(fc.boolean()) }, plain),
  mint,
  fc.record({ kind: kind("mint-reply"), results: list(mintResult) }, plain),
  fc.record({ kind: kind("once"), serial, question: mint }, plain),
  fc.record({ kind: kind("refused"), reason: fc.constantFrom(...REFUSALS) }, plain),
);

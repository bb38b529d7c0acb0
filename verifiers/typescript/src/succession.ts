// Notes by which one signing key of a log hands over to the next (docs/reference/evidence.md).

import { base64, hex, utf8 } from "./text.js";
import { Key, Note } from "./note.js";

const FORM = "exhibit.dev/succession/v1";
const STEPS: Record<string, number> = { rotation: 0, restore: 1, compromise: 1 };

/** A log's name without its epoch, and the epoch: `name` is epoch 1, `name@2` epoch 2. */
export function epochOf(name: string): [string, number] {
  const [, base, digits] = /^(.+)@([1-9][0-9]{0,9})$/.exec(name) ?? [];
  const epoch = Number(digits);
  return base !== undefined && epoch > 1 && epoch < 2 ** 32 ? [base, epoch] : [name, 1];
}

interface Head {
  size: number;
  root: string;
}

export class Succession extends Note {
  reason = "";
  old!: Key;
  new!: Key;
  epoch!: Key;
  ended!: Head;
  continues!: Head;

  /** A succession with every signature that its reason asks for; undefined for anything else. */
  static async open(text: string): Promise<Succession | undefined> {
    const bytes = utf8(text);
    const read = bytes.length > 16 << 10 ? undefined : Note.read(bytes);
    const lines = read?.[0].slice(0, -1).split("\n") ?? [];
    const [form, reason, old, after, epoch, ended, continues] = lines;
    if (!read || lines.length !== 7 || form !== FORM) return undefined;
    const keys = [await key(old), await key(after), await key(epoch)] as const;
    const heads = [head(ended), head(continues)] as const;
    const step = reason !== undefined && Object.hasOwn(STEPS, reason) ? STEPS[reason] : undefined;
    if (step === undefined || !keys[0] || !keys[1] || !keys[2] || !heads[0] || !heads[1]) {
      return undefined;
    }
    const one = new Succession(...read);
    one.reason = reason ?? "";
    [one.old, one.new, one.epoch] = [keys[0], keys[1], keys[2]];
    [one.ended, one.continues] = [heads[0], heads[1]];
    return (await one.holds(step)) ? one : undefined;
  }

  private async holds(step: number): Promise<boolean> {
    const [[base, before], [name, after]] = [epochOf(this.old.name), epochOf(this.new.name)];
    const { ended, continues } = this;
    const same = ended.size === continues.size && ended.root === continues.root;
    const fits = this.reason === "restore" ? continues.size <= ended.size : same;
    const another = hex(this.old.publicKey) !== hex(this.new.publicKey);
    const named = base === name && after === before + step && this.epoch.name === `${base}/epoch`;
    if (!fits || !another || !named) return false;
    const signers = [this.new];
    if (this.reason !== "compromise") signers.push(this.old);
    if (this.reason !== "rotation") signers.push(this.epoch);
    for (const signer of signers) if (!(await this.isBy(signer))) return false;
    return true;
  }

  handsOverFrom(pinned: Key, below: string): boolean {
    const named = pinned.name === this.old.name || pinned.name === this.old.name + below;
    const same = hex(pinned.publicKey) === hex(this.old.publicKey);
    return named && same && pinned.type === this.old.type;
  }
}

/** The successions that lead to the current key; undefined where they do not hold. */
export async function readChain(notes: string[], current: Key): Promise<Succession[] | undefined> {
  const chain: Succession[] = [];
  if (notes.length > 1_000) return undefined;
  for (const note of notes) {
    const [one, last] = [await Succession.open(note), chain.at(-1)];
    if (!one) return undefined;
    if (last && (last.new.text !== one.old.text || last.epoch.text !== one.epoch.text)) {
      return undefined;
    }
    chain.push(one);
  }
  const last = chain.at(-1);
  return last && last.new.text !== current.text ? undefined : chain;
}

async function key(text: string | undefined): Promise<Key | undefined> {
  const parsed = text === undefined ? undefined : await Key.parse(text);
  return parsed?.type === 1 ? parsed : undefined;
}

function head(line: string | undefined): Head | undefined {
  const [, size, packed] = /^(0|[1-9][0-9]*) ([^ ]+)$/.exec(line ?? "") ?? [];
  const root = packed === undefined ? undefined : base64(packed, 32);
  const count = Number(size);
  return root && Number.isSafeInteger(count) ? { size: count, root: hex(root) } : undefined;
}

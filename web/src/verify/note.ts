/** Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) with Ed25519. */
import { type Bytes, base64, concat, hex, sha256, utf8 } from "./bytes";

export interface Checkpoint {
  origin: string;
  size: number;
  root: Bytes;
}

/** This browser has no Ed25519; nothing can be said about signatures. */
export class NoEd25519 extends Error {
  constructor() {
    super("This browser cannot check Ed25519 signatures. A current Chrome, Firefox or Safari can.");
  }
}

const ED25519 = 1;

async function importKey(raw: Bytes): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
  } catch {
    throw new NoEd25519();
  }
}

/** The text of a note that this verifier key (`name+id+base64`) has signed; throws otherwise. */
export async function openNote(note: string, verifierKey: string): Promise<string> {
  const [name, id, packedText] = splitKey(verifierKey);
  const packed = base64(packedText);
  if (packed.length !== 33 || packed[0] !== ED25519) throw new Error("The key is no Ed25519 verifier key.");
  const digest = await sha256(concat(utf8(`${name}\n`), packed));
  if (hex(digest.slice(0, 4)) !== id) throw new Error("The id of the key does not fit the key.");
  const at = note.lastIndexOf("\n\n");
  if (at < 0) throw new Error("The checkpoint is no signed note.");
  const text = note.slice(0, at + 1);
  for (const line of note.slice(at + 2).split("\n")) {
    const [dash, signer, blob] = line.split(" ");
    if (dash !== "—" || signer !== name || !blob) continue;
    const signature = base64(blob);
    if (hex(signature.slice(0, 4)) !== id) continue;
    const key = await importKey(packed.slice(1));
    if (await crypto.subtle.verify("Ed25519", key, signature.slice(4), utf8(text))) return text;
    throw new Error("The signature does not fit the checkpoint.");
  }
  throw new Error("The checkpoint has no signature of this key.");
}

function splitKey(key: string): [name: string, id: string, packed: string] {
  const first = key.indexOf("+");
  const second = key.indexOf("+", first + 1);
  if (first < 0 || second < 0) throw new Error("The key is no verifier key.");
  return [key.slice(0, first), key.slice(first + 1, second), key.slice(second + 1)];
}

/** What a checkpoint says, once its signature holds. */
export async function openCheckpoint(note: string, verifierKey: string): Promise<Checkpoint> {
  const text = await openNote(note, verifierKey);
  const checkpoint = readCheckpoint(text);
  if (checkpoint.origin !== verifierKey.split("+")[0]) throw new Error("The checkpoint is of another log.");
  return checkpoint;
}

/** The three lines of a checkpoint, its signature unchecked. */
export function readCheckpoint(text: string): Checkpoint {
  const [origin = "", sizeText = "", rootText = ""] = text.split("\n");
  if (!/^(0|[1-9][0-9]{0,15})$/.test(sizeText)) throw new Error("The checkpoint has no size.");
  const root = base64(rootText);
  if (!origin || root.length !== 32) throw new Error("The checkpoint has no root.");
  return { origin, size: Number(sizeText), root };
}

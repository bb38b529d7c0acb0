// What is needed of X.509 certificates (RFC 5280): keys, signatures, and the way to a root.

import { Der, Malformed, at } from "./der.js";
import { ed25519 } from "./note.js";
import { base64 } from "./text.js";
import { equal } from "./zip.js";

/** An algorithm that is not known here: nothing can be said. */
export class Unsupported extends Error {}

/** Nobody who is trusted vouches for the signer. */
export class Untrusted extends Error {}

export type Sha2 = "SHA-256" | "SHA-384" | "SHA-512";

const SHA2: Record<string, Sha2> = {
  "2.16.840.1.101.3.4.2.1": "SHA-256",
  "2.16.840.1.101.3.4.2.2": "SHA-384",
  "2.16.840.1.101.3.4.2.3": "SHA-512",
};
const BYTES: Record<Sha2, number> = { "SHA-256": 32, "SHA-384": 48, "SHA-512": 64 };
const RSA = "1.2.840.113549.1.1.1";
const RSA_PSS = "1.2.840.113549.1.1.10";
const EC = "1.2.840.10045.2.1";
const ED25519 = "1.3.101.112";
const CURVES: Record<string, { name: string; bytes: number }> = {
  "1.2.840.10045.3.1.7": { name: "P-256", bytes: 32 },
  "1.3.132.0.34": { name: "P-384", bytes: 48 },
};
const SIGNED_WITH: Record<string, [string, Sha2]> = {
  "1.2.840.113549.1.1.11": [RSA, "SHA-256"],
  "1.2.840.113549.1.1.12": [RSA, "SHA-384"],
  "1.2.840.113549.1.1.13": [RSA, "SHA-512"],
  "1.2.840.10045.4.3.2": [EC, "SHA-256"],
  "1.2.840.10045.4.3.3": [EC, "SHA-384"],
  [ED25519]: [ED25519, "SHA-512"],
};
const KEY_IDENTIFIER = "2.5.29.14";
const KEY_USAGE = "2.5.29.15";
const CONSTRAINTS = "2.5.29.19";
const PURPOSES = "2.5.29.37";
/** Extensions that are heeded, or that say nothing about what is asked here. */
const KNOWN = [KEY_IDENTIFIER, KEY_USAGE, "2.5.29.17", CONSTRAINTS, "2.5.29.35", PURPOSES];
const TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
const ROOTS_MAX = 512;
const PATH_MAX = 6;
/** Signatures of certificates that are tried on the way to a root. */
const TRIES_MAX = 100;

const bytes = (data: Uint8Array) => data as Uint8Array<ArrayBuffer>;

/** The hash function that an AlgorithmIdentifier names. */
export function hashOf(algorithm: Der): Sha2 {
  const hash = SHA2[at(algorithm.parts(), 0).oid()];
  if (!hash) throw new Unsupported("another hash function");
  return hash;
}

export async function digest(hash: Sha2, data: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest(hash, bytes(data)));
}

export class Certificate {
  readonly raw: Uint8Array;
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  private readonly signed: Uint8Array;
  private readonly signature: Uint8Array;
  private readonly algorithm: Der[];
  private readonly from: bigint;
  private readonly to: bigint;
  /** SubjectPublicKeyInfo, whole. */
  private readonly spki: Uint8Array;
  private readonly kind: Der[];
  private readonly key: Uint8Array;
  private readonly extensions = new Map<string, Uint8Array>();
  private readonly critical: string[] = [];

  constructor(der: Der) {
    const parts = der.parts();
    const [body, algorithm] = [at(parts, 0), at(parts, 1)];
    [this.raw, this.signed, this.signature] = [der.raw, body.raw, at(parts, 2).bits()];
    let fields = body.parts();
    if (fields[0]?.tag === 0xa0) fields = fields.slice(1);
    if (!equal(at(fields, 1).raw, algorithm.raw)) throw new Malformed("two algorithms");
    this.algorithm = algorithm.parts();
    this.serial = at(fields, 0).of(2).body;
    [this.issuer, this.subject] = [at(fields, 2).raw, at(fields, 4).raw];
    const validity = at(fields, 3).parts();
    [this.from, this.to] = [at(validity, 0).time(), at(validity, 1).time()];
    this.spki = at(fields, 5).raw;
    const key = at(fields, 5).parts();
    [this.kind, this.key] = [at(key, 0).parts(), at(key, 1).bits()];
    for (const field of fields.slice(6)) {
      if (field.tag !== 0xa3) continue;
      for (const extension of at(field.parts(0xa3), 0).parts()) {
        const members = extension.parts();
        const name = at(members, 0).oid();
        this.extensions.set(name, at(members, members.length - 1).of(4).body);
        if (members.length > 2 && at(members, 1).of(1).body[0]) this.critical.push(name);
      }
    }
  }

  get isRsa(): boolean {
    return this.kindName === RSA;
  }

  get keyIdentifier(): Uint8Array | undefined {
    const value = this.extensions.get(KEY_IDENTIFIER);
    return value && Der.one(value).of(4).body;
  }

  private get kindName(): string {
    return at(this.kind, 0).oid();
  }

  /** Whether this certificate's key signed. */
  async holds(hash: Sha2, message: Uint8Array, signature: Uint8Array, pss = false): Promise<boolean> {
    if (this.kindName === RSA) return this.holdsRsa(hash, message, signature, pss);
    const curve = this.kindName === EC ? CURVES[at(this.kind, 1).oid()] : undefined;
    if (curve && hash !== "SHA-512") {
      const pair = Der.one(signature).parts();
      const raw = new Uint8Array(2 * curve.bytes);
      for (const [place, part] of [at(pair, 0), at(pair, 1)].entries()) {
        const number = part.positive();
        if (number.length > curve.bytes) return false;
        raw.set(number, (place + 1) * curve.bytes - number.length);
      }
      const named = { name: "ECDSA", namedCurve: curve.name };
      return this.verified(named, { name: "ECDSA", hash }, raw, message);
    }
    if (this.kindName === ED25519 && hash === "SHA-512") return ed25519(this.key, message, signature);
    throw new Unsupported("a kind of key");
  }

  private async holdsRsa(hash: Sha2, message: Uint8Array, signature: Uint8Array, pss: boolean) {
    const bits = 8 * at(Der.one(this.key).parts(), 0).positive().length;
    if (bits < 2_048 || bits > 8_192) return false;
    const name = pss ? "RSA-PSS" : "RSASSA-PKCS1-v1_5";
    return this.verified({ name, hash }, { name, saltLength: BYTES[hash] }, signature, message);
  }

  private async verified(
    key: RsaHashedImportParams | EcKeyImportParams,
    algorithm: RsaPssParams | EcdsaParams,
    signature: Uint8Array,
    message: Uint8Array,
  ): Promise<boolean> {
    try {
      const found = await crypto.subtle.importKey("spki", bytes(this.spki), key, false, ["verify"]);
      return await crypto.subtle.verify(algorithm, found, bytes(signature), bytes(message));
    } catch {
      return false;
    }
  }

  /** Whether this one's key signed the other. */
  private async issued(other: Certificate): Promise<boolean> {
    const name = at(other.algorithm, 0).oid();
    if (name === RSA_PSS) {
      const field = at(other.algorithm, 1).parts().find((part) => part.tag === 0xa0);
      const hash = field && SHA2[at(at(field.parts(0xa0), 0).parts(), 0).oid()];
      return !!hash && this.isRsa && this.holdsRsa(hash, other.signed, other.signature, true);
    }
    const [kind, hash] = SIGNED_WITH[name] ?? [];
    return !!hash && kind === this.kindName && this.holds(hash, other.signed, other.signature);
  }

  /** Whether it is an authority, and how many more may stand below it. */
  private constraints(): { authority: boolean; length: number } {
    const value = this.extensions.get(CONSTRAINTS);
    const fields = value ? Der.one(value).parts() : [];
    const last = fields.at(-1);
    const stated = last?.tag === 2 ? last.positive() : undefined;
    const length = stated && stated.length < 2 ? (stated[0] ?? 0) : PATH_MAX;
    return { authority: fields[0]?.tag === 1 && !!fields[0].body[0], length };
  }

  /** Whether it may sign time stamps, or stand above what does. */
  private may(signer: boolean): boolean {
    const [usage, purposes] = [this.extensions.get(KEY_USAGE), this.extensions.get(PURPOSES)];
    const named = purposes && Der.one(purposes).parts().map((purpose) => purpose.oid());
    const stamping = named ? named.includes(TIME_STAMPING) : !signer;
    const certifies = signer || !usage || ((Der.one(usage).of(3).body[1] ?? 0) & 4) !== 0;
    const known = this.critical.every((name) => KNOWN.includes(name));
    return known && stamping && certifies && this.constraints().authority !== signer;
  }

  /** Whether a way leads up to a root, as of a time. */
  async climbs(
    others: Certificate[],
    roots: Certificate[],
    time: bigint,
    below = 0,
    tried = { signatures: 0 },
  ): Promise<boolean> {
    const issued = async (above: Certificate) => {
      tried.signatures += 1;
      return tried.signatures <= TRIES_MAX && (await above.issued(this));
    };
    if (time < this.from || time > this.to || !this.may(below === 0)) return false;
    if (below > 0 && this.constraints().length < below - 1) return false;
    for (const root of roots) {
      if (equal(root.subject, this.issuer) && (await issued(root))) return true;
    }
    for (const above of below < PATH_MAX ? others : []) {
      if (!equal(above.subject, this.issuer) || equal(above.raw, this.raw)) continue;
      const found = await issued(above);
      if (found && (await above.climbs(others, roots, time, below + 1, tried))) return true;
    }
    return false;
  }
}

/** The certificates of a PEM file. */
export function readCertificates(pem: string): Certificate[] {
  const found = pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g);
  const all = [...found].slice(0, ROOTS_MAX).map(([, text = ""]) => {
    const data = base64(text.replace(/\s/g, ""));
    if (!data) throw new Malformed("a certificate does not read");
    return new Certificate(Der.one(data));
  });
  if (!all.length) throw new Malformed("there is no certificate in the file of roots");
  return all;
}

export async function checkPath(
  signer: Certificate,
  others: Certificate[],
  roots: Certificate[],
  time: bigint,
) {
  if (!(await signer.climbs(others, roots, time))) {
    throw new Untrusted("no certificate that you trust leads to its signer");
  }
}

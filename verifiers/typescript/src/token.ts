// Time-stamp tokens: RFC 3161 in CMS (RFC 5652).

import { Certificate, Untrusted, digest, hashOf } from "./certificate.js";
import { Der, Malformed, at } from "./der.js";
import { hex } from "./text.js";
import { equal } from "./zip.js";

export { Unsupported } from "./certificate.js";

const TOKEN_BYTES_MAX = 64 << 10;
const CERTIFICATES_MAX = 32;
const SIGNED_DATA = "1.2.840.113549.1.7.2";
const TST_INFO = "1.2.840.113549.1.9.16.1.4";
const CONTENT_TYPE = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
const SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";

export interface Stamp {
  /** Nanoseconds since 1970. */
  time: bigint;
  /** The authority's serial number of the token, hex. */
  serial: string;
  signer: Certificate;
  /** The other certificates of the token. */
  others: Certificate[];
}

/** Reads a token over a text, and checks its signature with the certificate that it brings. */
export async function openToken(data: Uint8Array, text: Uint8Array): Promise<Stamp> {
  if (data.length > TOKEN_BYTES_MAX) throw new Malformed("too long");
  const outer = Der.read(data);
  if (outer.length !== 1) throw new Malformed("not one element");
  const content = at(outer, 0).parts();
  const fields = at(at(content, 1).parts(0xa0), 0).parts();
  const encapsulated = at(fields, 2).parts();
  const kinds = [at(content, 0).oid(), at(encapsulated, 0).oid()];
  if (kinds[0] !== SIGNED_DATA || kinds[1] !== TST_INFO) throw new Malformed("not a time stamp");
  const info = at(at(encapsulated, 1).parts(0xa0), 0).of(4).body;
  const said = Der.one(info).parts();
  const imprint = at(said, 2).parts();
  const over = await digest(hashOf(at(imprint, 0)), text);
  if (!equal(over, at(imprint, 1).of(4).body)) throw new Malformed("it is over other bytes");
  const time = at(said, 4).of(0x18).time();
  const serial = hex(at(said, 3).of(2).body);
  const brought = fields.slice(3, -1).filter((field) => field.tag === 0xa0);
  const certificates = brought
    .flatMap((field) => field.parts(0xa0))
    .slice(0, CERTIFICATES_MAX)
    .map((der) => new Certificate(der));
  const signers = at(fields, fields.length - 1).parts(0x31);
  if (signers.length !== 1) throw new Malformed("a time stamp has one signer");
  const signer = at(signers, 0).parts();
  const own = certificates.find((one) => isSigner(at(signer, 1), one));
  if (!own) throw new Untrusted("it does not bring its certificate");
  await checkSignature(signer, own, info);
  return { time, serial, signer: own, others: certificates.filter((one) => one !== own) };
}

async function checkSignature(signer: Der[], own: Certificate, info: Uint8Array) {
  const [hash, attributes] = [hashOf(at(signer, 2)), at(signer, 3)];
  const values = new Map<string, Der[][]>();
  for (const attribute of attributes.parts(0xa0)) {
    const [name, value] = [at(attribute.parts(), 0).oid(), at(attribute.parts(), 1).parts(0x31)];
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  const only = (name: string) => {
    const [value, ...more] = values.get(name) ?? [];
    return !more.length && value?.length === 1 ? at(value, 0) : undefined;
  };
  if (only(CONTENT_TYPE)?.oid() !== TST_INFO) throw new Malformed("another content type");
  const stated = only(MESSAGE_DIGEST)?.of(4).body;
  if (!stated || !equal(stated, await digest(hash, info))) {
    throw new Malformed("the content is not what was signed");
  }
  const named = only(SIGNING_CERTIFICATE_V2);
  if (named) {
    const first = at(at(named.parts(), 0).parts(), 0).parts();
    const plain = at(first, 0).tag === 4;
    const found = await digest(plain ? "SHA-256" : hashOf(at(first, 0)), own.raw);
    if (!equal(found, at(first, plain ? 0 : 1).of(4).body)) {
      throw new Malformed("it names another certificate");
    }
  }
  // What is signed is the set, not its place in the token (RFC 5652 section 5.4).
  const message = Uint8Array.of(0x31, ...attributes.raw.subarray(1));
  const signature = at(signer, 5).of(4).body;
  const signed =
    (await own.holds(hash, message, signature)) ||
    (own.isRsa && (await own.holds(hash, message, signature, true)));
  if (!signed) throw new Malformed("it was not made with the certificate's key");
}

function isSigner(name: Der, certificate: Certificate): boolean {
  if (name.tag === 0x30) {
    const [issuer, serial] = [at(name.parts(), 0), at(name.parts(), 1)];
    return equal(issuer.raw, certificate.issuer) && equal(serial.of(2).body, certificate.serial);
  }
  const own = certificate.keyIdentifier;
  return name.tag === 0x80 && own !== undefined && equal(own, name.body);
}

// What the auditor brings along, and what is said about a bundle.

import { VERDICTS, type Fault, type Verdict, type Where } from "./fault.js";

/** What the auditor brings along. */
export interface Demands {
  /** Verifier key of the log or installation, pinned from outside. */
  key?: string;
  /** Verifier keys of witnesses that are trusted. */
  witnesses?: string[];
  /** How many of them must have cosigned; 1 unless given. */
  quorum?: number;
  /** A checkpoint of the log that was kept. */
  checkpoint?: Uint8Array;
  /** Certificates (PEM) that are trusted to name time-stamp authorities. */
  roots?: string;
  /** Whether a bundle without an independent checkpoint is not enough. */
  requireWitness?: boolean;
  /** Told how many records have been checked, of how many the manifest counts. */
  progress?: (done: number, total: number) => void;
}

/** A certificate of erasure: who took records away, when and why. */
export interface Erasure {
  index: number;
  cause: string;
  why: string;
  by?: string;
  at: string;
  records: number;
}

/** A time stamp over the head. */
export interface DatedBy {
  file: string;
  time: string;
  serial: string;
  /** Whether the auditor's certificates vouch for the authority. */
  trusted: boolean;
}

export interface Report {
  verdict: Verdict;
  qualifiers: string[];
  log: string;
  key: string;
  tree_size: number;
  created: string;
  traces: number;
  records: number;
  leaves: number;
  complete: boolean;
  witnesses: string[];
  stamps: DatedBy[];
  /** Records that are gone, each under a certificate in the log. */
  erased: number;
  erasures: Erasure[];
  faults: ({ verdict: Verdict; code: string; what: string } & Where)[];
}

export function emptyReport(): Report {
  return {
    verdict: "valid", qualifiers: [], log: "", key: "", tree_size: 0, created: "", traces: 0,
    records: 0, leaves: 0, complete: false, witnesses: [], stamps: [], erased: 0, erasures: [],
    faults: [],
  };
}

/** The verdict over what was found. */
export function conclude(report: Report, faults: Fault[]): Report {
  const rank = (fault: Fault) => VERDICTS.indexOf(fault.verdict);
  const sorted = [...faults].sort((a, b) => rank(b) - rank(a));
  const sound = report.erased > 0 && report.records === 0 ? "erased-with-certificate" : "valid";
  report.verdict = sorted[0]?.verdict ?? sound;
  report.faults = sorted.map(({ verdict, code, what, where }) => ({ verdict, code, ...where, what }));
  return report;
}

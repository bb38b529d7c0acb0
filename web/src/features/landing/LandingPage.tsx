import { Link } from "@tanstack/react-router";
import { Logo } from "../../shell/Logo";
import { useTitle } from "../../shell/Page";
import { Icon, type IconName } from "../../ui/Icon";
import { DemoButton } from "./DemoButton";
import { Specimen } from "./Specimen";

const POINTS: [icon: IconName, title: string, text: string][] = [
  [
    "traces",
    "See what it did",
    "Every model call, tool call and hand-over of an agent as a timeline, a conversation or a graph. Running steps grow while you watch.",
  ],
  [
    "guardrail",
    "Judge it by your rules",
    "Personal data, secrets, injections and your own rules are found as spans arrive, and marked in the text they concern.",
  ],
  [
    "seal",
    "Prove it was not changed",
    "Each record is a leaf of a signed, append-only ledger. Your browser checks the proofs itself; so can anyone you send them to.",
  ],
  [
    "cost",
    "Know what it cost, and how you know",
    "Amounts are exact to a billionth of a dollar, and each says whether the agent reported it or a price table estimated it.",
  ],
];

/** What a visitor without an account sees. */
export function LandingPage() {
  useTitle("The flight recorder for AI");
  return (
    <div className="min-h-dvh">
      <header className="mx-auto flex h-16 max-w-6xl items-center gap-2 px-5">
        <Logo size={24} />
        <nav aria-label="Account" className="ml-auto flex items-center gap-1 text-sm">
          <Link to="/quick-start" className="hidden rounded-md px-3 py-1.5 text-muted hover:bg-hover sm:block">
            Quick start
          </Link>
          <a href="/docs/" className="hidden rounded-md px-3 py-1.5 text-muted hover:bg-hover sm:block">
            API reference
          </a>
          <Link to="/verify" className="hidden rounded-md px-3 py-1.5 text-muted hover:bg-hover sm:block">
            Verify a bundle
          </Link>
          <Link to="/login" className="rounded-md px-3 py-1.5 hover:bg-hover">
            Log in
          </Link>
        </nav>
      </header>
      <main className="mx-auto max-w-6xl px-5 pb-20">
        <div className="grid items-center gap-10 pt-10 pb-14 lg:grid-cols-[1fr_1.1fr] lg:pt-20">
          <div>
            <h1 className="text-[2.5rem] leading-[1.08] tracking-tight sm:text-[3.25rem]">
              The flight recorder for&nbsp;AI
            </h1>
            <p className="mt-5 max-w-[34rem] text-lg leading-relaxed text-muted">
              Exhibit records what AI agents do, from the standards they already speak, checks it against your
              rules, and keeps it so that nobody can change it unseen. One binary, on your own machine.
            </p>
            <div className="mt-7 flex flex-wrap gap-3">
              <Link
                to="/register"
                className="inline-flex h-10 items-center rounded-md bg-accent px-5 font-medium text-on-accent hover:opacity-90"
              >
                Create an account
              </Link>
              <DemoButton />
            </div>
          </div>
          <Specimen />
        </div>
        <ul className="grid gap-px overflow-hidden rounded-md border bg-line sm:grid-cols-2">
          {POINTS.map(([icon, title, text]) => (
            <li key={title} className="bg-surface p-6">
              <Icon name={icon} size={20} className="text-accent" />
              <h2 className="mt-3 text-lg">{title}</h2>
              <p className="mt-1 max-w-[60ch] text-muted">{text}</p>
            </li>
          ))}
        </ul>
      </main>
    </div>
  );
}

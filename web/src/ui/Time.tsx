import { useEffect, useState } from "react";
import { exact, relative } from "./format";

/** A time as people say it, with the exact stamp on hover. */
export function Time({ at, className = "" }: { at: string | null | undefined; className?: string }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 15_000);
    return () => clearInterval(timer);
  }, []);
  if (!at) return <span className={className}>–</span>;
  return (
    <time dateTime={at} title={exact(at)} className={`tnum whitespace-nowrap ${className}`}>
      {relative(at)}
    </time>
  );
}
